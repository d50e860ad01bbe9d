"""From the start of ``cmle serve`` to its first answer, and what it then has in memory."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.measuring import (
    Figure,
    Memory,
    Options,
    Row,
    answers,
    children,
    free_port,
    median,
    memory,
    wait_until,
)
from emulator.datadir import DataDir
from emulator.server import default_cache_dir

START_S: Final = 60.0
SETTLE_S: Final = 1.0
START_TARGET_S: Final = 0.8
MEMORY_TARGET_MB: Final = 110
PROJECT: Final = "p"
PEER: Final = Path(sys.executable).with_name("moto_server")


class Start(msgspec.Struct, frozen=True):
    seconds: float
    own: Memory
    beside: Memory = Memory()  # fake-gcs-server's


def figures(options: Options) -> Iterator[Figure]:
    times = options.times(5, 2)
    first: list[Start] = []
    again: list[Start] = []
    peer: list[Start] = []
    with tempfile.TemporaryDirectory(prefix="cmle-bench-") as name:
        start_here(Path(name) / "warm", options)
        for number in range(times):
            options.say(f"startup: round {number + 1}")
            first.append(start_here(Path(name) / f"new-{number}", options))
            again.append(start_here(Path(name) / "warm", options))
            if PEER.exists():
                peer.append(start_peer())
    yield Figure(
        title="Start to the first answer, and memory when idle",
        peer="moto_server",
        rows=(
            start_row("start in a known data directory", again, peer),
            start_row("start in a new one", first, peer),
            memory_row(again, peer),
            Row(
                what="fake-gcs-server, memory",
                here=str(typical([start.beside for start in again])),
            ),
        ),
    )


def start_row(what: str, here: Sequence[Start], peer: Sequence[Start]) -> Row:
    seconds = median(start.seconds for start in here)
    other = median(start.seconds for start in peer) if peer else None
    return Row(
        what=what,
        here=f"{seconds:.2f} s",
        peer="" if other is None else f"{other:.2f} s",
        compared="" if other is None else f"{seconds / other:.2f}x",
        target=f"≤ {START_TARGET_S} s",
        met=seconds <= START_TARGET_S,
    )


def memory_row(here: Sequence[Start], peer: Sequence[Start]) -> Row:
    own = typical([start.own for start in here])
    other = typical([start.own for start in peer]) if peer else None
    return Row(
        what="memory: emulator and gateway",
        here=str(own),
        peer="" if other is None else str(other),
        compared="" if other is None else f"{own.pss / other.pss:.2f}x",
        target=f"≤ {MEMORY_TARGET_MB} MB",
        met=own.pss <= MEMORY_TARGET_MB,
    )


def typical(found: Sequence[Memory]) -> Memory:
    return Memory(median(one.pss for one in found), median(one.rss for one in found))


def start_here(data_dir: Path, options: Options) -> Start:
    port = free_port()
    cache_dir = options.cache_dir or default_cache_dir()
    command = [sys.executable, "-P", "-m", "emulator", "serve", "--project", PROJECT]
    command += ["--data-dir", str(data_dir), "--port", str(port), "--cache-dir", str(cache_dir)]
    with started(command, port, f"/v1/projects/{PROJECT}/jobs") as (process, seconds):
        card = DataDir(data_dir).endpoint()
        assert card is not None
        assert card.pid == process.pid
        beside = children(card.gateway_pid)
        return Start(
            seconds,
            memory(card.pid) + memory(card.gateway_pid),
            sum(map(memory, beside), Memory()),
        )


def start_peer() -> Start:
    port = free_port()
    with started([str(PEER), "--port", str(port)], port, "/") as (process, seconds):
        return Start(seconds, memory(process.pid))


@contextlib.contextmanager
def started(
    command: Sequence[str], port: int, path: str
) -> Iterator[tuple["subprocess.Popen[bytes]", float]]:
    """A server and the seconds to its first answer, after it has come to rest."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers(port, path), deadline_s=START_S, every_s=0.005)
            seconds = time.perf_counter() - began
            time.sleep(SETTLE_S)
            yield process, seconds
        finally:
            process.terminate()
