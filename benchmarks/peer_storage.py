"""A second fake-gcs-server with its own files, alone or behind the peer proxy."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.measuring import ROOT, answers, free_port, wait_until

START_S = 20.0


class PeerStorage(msgspec.Struct, frozen=True):
    """``url`` speaks plain HTTP to the server itself, ``proxy`` is the way that is measured."""

    url: str
    proxy: str
    ca_path: Path


@contextlib.contextmanager
def peer_storage(binary: Path, folder: Path) -> Iterator[PeerStorage]:
    """Both programs for the time of the block, everything they keep below ``folder``."""
    with (
        fake_gcs_server(binary, folder / "objects") as port,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.peer_proxy"),
                *("--backend", f"127.0.0.1:{port}", "--folder", str(folder)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield PeerStorage(
                url=f"http://127.0.0.1:{port}",
                proxy=f"http://127.0.0.1:{int(process.stdout.readline())}",
                ca_path=folder / "ca.pem",
            )
        finally:
            process.terminate()


@contextlib.contextmanager
def fake_gcs_server(binary: Path, root: Path) -> Iterator[int]:
    """Answers the port."""
    root.mkdir(parents=True)
    port = free_port()
    flags = {
        "-scheme": "http",
        "-host": "127.0.0.1",
        "-port": str(port),
        "-backend": "filesystem",
        "-filesystem-root": str(root),
        "-public-host": "storage.googleapis.com",
        "-log-level": "error",
    }
    command = [str(binary), *(word for flag in flags.items() for word in flag)]
    with subprocess.Popen(command) as process:
        try:
            wait_until(
                lambda: answers(port, "/_internal/healthcheck"), deadline_s=START_S, every_s=0.02
            )
            yield port
        finally:
            process.terminate()
