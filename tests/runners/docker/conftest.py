"""An engine of a test's own, which may be killed."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker.errors
import pytest

from emulator.cluster import WORK_TARGET
from emulator.environment import SYSTEM_BUNDLE
from emulator.runners.docker.engine import Engine
from emulator.runners.docker.files import BUNDLE_NAMES, READY, Archive

DEADLINE_S = 60.0
PROBE = "cmle/probe:3.7"
RECORDER = """#!/bin/sh
here=$(dirname "$0")
previous=
for word; do
    [ "$previous" = --bundle ] && cp "$word/config.json" "$here/recorded.json"
    previous=$word
done
exec runc "$@"
"""


class PrivateEngine:
    """A dockerd with folders and a bridge of its own; its runtime "nvidia" records.

    Without a bridge (``--bridge=none``) it would remove docker0, which is another engine's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._bridge = f"cmtest{folder.name[-6:]}"
        subprocess.run(["ip", "link", "add", self._bridge, "type", "bridge"], check=True)
        place = ["ip", "addr", "add", "192.168.187.1/30", "dev", self._bridge]
        subprocess.run(place, check=True)
        subprocess.run(["ip", "link", "set", self._bridge, "up"], check=True)
        recorder = folder / "recorder"
        recorder.write_text(RECORDER)
        recorder.chmod(0o755)
        runtimes = {"nvidia": {"path": str(recorder), "runtimeArgs": []}}
        (folder / "daemon.json").write_text(json.dumps({"runtimes": runtimes}))

    def start(self) -> None:
        # A killed engine's containerd may be a zombie that the next one would wait for.
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("dockerd", "--config-file", self.folder / "daemon.json"),
                    *("--data-root", self.folder / "data", "--exec-root", self.folder / "exec"),
                    *("--pidfile", self.folder / "pid", "--host", self.address),
                    *("--bridge", self._bridge, "--iptables=false", "--ip-masq=false"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(Exception):
                Engine.connect(self.address, within_s=2.0).close()
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-3000:])
            time.sleep(0.2)

    def load(self, image: str) -> None:
        archive = self.folder / "image.tar"
        subprocess.run(["docker", "save", "--output", archive, image], check=True)
        client = ["docker", "--host", self.address]
        subprocess.run([*client, "load", "--quiet", "--input", archive], check=True)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self._end(self._process)
        subprocess.run(["ip", "link", "del", self._bridge], check=True)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        mounts = Path("/proc/mounts").read_text().splitlines()
        ours = [row.split()[1] for row in mounts if row.split()[1].startswith(f"{self.folder}/")]
        for mount in sorted(ours, reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)

    def recorded(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / "recorded.json").read_text())
        return found


def default_bridge() -> bool:
    return Path("/sys/class/net/docker0").exists()


@pytest.fixture
def private_engine(docker_engine: Engine) -> Iterator[PrivateEngine]:
    del docker_engine  # has the probe image
    if os.geteuid() != 0 or not (shutil.which("dockerd") and shutil.which("ip")):
        pytest.skip("an engine of one's own needs root, dockerd and ip")
    before = default_bridge()
    folder = Path(tempfile.mkdtemp(prefix="cmle-dockerd-"))
    engine = PrivateEngine(folder)
    try:
        engine.start()
        engine.load(PROBE)
        yield engine
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)
        assert default_bridge() == before, "the other engine's bridge is gone"


@pytest.fixture(scope="module")
def ready_image(docker_engine: Engine) -> Iterator[str]:
    """The probe image with what images of runtime versions have for replicas."""
    client, name = docker_engine.client, f"cmle/test-ready:{secrets.token_hex(6)}"
    archive = Archive()
    archive.folder("/root", 0o700)
    archive.folder(WORK_TARGET)
    for path in BUNDLE_NAMES:
        archive.link(path, SYSTEM_BUNDLE)
    made = client.create_container_from_config({"Image": PROBE})["Id"]
    try:
        client.put_archive(made, "/", archive.finished())
        client.commit(made, *name.split(":"), changes=f"LABEL {READY}=1")
        yield name
    finally:
        archive.close()
        client.remove_container(made, force=True)
        with contextlib.suppress(docker.errors.ImageNotFound):
            client.remove_image(name, force=True)
