"""A Docker Engine as the benchmarks see it: plain containers, and what the emulator left in it."""

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.measuring import Memory, memory_of, tree
from emulator.errors import OperatorError

CALL_S: Final = 120.0
STARTS_AT_ONCE: Final = 4  # as many as the emulator's
OF_A_JOB: Final = "cmle.site"  # the label of a job's containers, networks and volumes
OURS: Final = "cmle-bench"
SLEEPING: Final = ("python3", "-c", "import time; time.sleep(3600)")


class Missing(Exception):
    """There is no engine to measure; the text says why."""


class Engine:
    """The engine that ``DOCKER_HOST`` names, or the usual one."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    @contextlib.contextmanager
    def connected(cls) -> Iterator[Self]:
        try:
            from docker.client import from_env  # noqa: PLC0415 it may not be installed
            from docker.errors import DockerException  # noqa: PLC0415
        except ImportError as error:
            raise Missing("the Python package docker is not installed") from error
        try:
            client = from_env(timeout=CALL_S)
        except DockerException as error:
            raise Missing("no Docker Engine answers") from error
        with contextlib.closing(client):
            try:
                client.ping()
            except DockerException as error:
                raise Missing("no Docker Engine answers") from error
            yield cls(client)

    def runtime_image(self, version: str) -> str:
        """The newest image of a runtime version; the first job in containers has built it."""
        beginning = f"cmle/runtime:{version}-"
        found = [
            (image.attrs["Created"], tag)
            for image in self._client.images.list("cmle/runtime")
            for tag in image.tags
            if tag.startswith(beginning)
        ]
        if not found:
            raise OperatorError(f"The engine has no image of the runtime {version}.")
        return str(max(found)[1])

    def of_jobs(self) -> frozenset[str]:
        """Containers and networks of jobs, of every emulator, that are there now."""
        api, label = self._client.api, {"label": OF_A_JOB}
        containers = api.containers(quiet=True, all=True, filters=label)
        networks = api.networks(filters=label)
        return frozenset(found["Id"] for found in [*containers, *networks])

    def memory_of_jobs(self) -> Memory:
        """What the replicas have in memory; nothing where that may not be read."""
        total = Memory()
        for found in self._client.api.containers(quiet=True, filters={"label": OF_A_JOB}):
            with contextlib.suppress(Exception):  # it has gone meanwhile
                pid = self._client.api.inspect_container(found["Id"])["State"]["Pid"]
                total += memory_of(tree(pid))
        return total

    def run(self, image: str, command: Sequence[str], folder: Path) -> float:
        """Seconds of ``docker run`` of the command, with ``folder`` as its working directory."""
        line = ["docker", "run", "--rm", "--init", "--volume", f"{folder}:/package:ro"]
        line += ["--workdir", "/package", image, *command]
        began = time.perf_counter()
        done = subprocess.run(line, capture_output=True, text=True, timeout=CALL_S, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise OperatorError(f"`{' '.join(line)}` failed: {done.stderr.strip()}")
        return seconds

    def crowd(self, image: str, count: int, command: Sequence[str]) -> float:
        """Seconds in which bare containers on a network start, end by themselves and go."""
        began = time.perf_counter()
        with self._running(image, count, command) as containers:
            for container in containers:
                container.wait(timeout=CALL_S)
            self._remove(containers)
        return time.perf_counter() - began

    def removal(self, image: str, count: int) -> float:
        """Seconds in which the engine removes bare containers that run, and their network."""
        with self._running(image, count, SLEEPING) as containers:
            began = time.perf_counter()
            self._remove(containers)
        return time.perf_counter() - began

    @contextlib.contextmanager
    def _running(self, image: str, count: int, command: Sequence[str]) -> Iterator[list[Any]]:
        """The network is removed with the block, and whatever is left of the containers."""
        network = self._client.networks.create(OURS, internal=True, labels={OURS: ""})

        def start(_: int) -> Any:
            return self._client.containers.run(
                image,
                list(command),
                entrypoint=[],
                detach=True,
                init=True,
                network=network.id,
                labels={OURS: ""},
            )

        try:
            with ThreadPoolExecutor(STARTS_AT_ONCE) as pool:
                containers = list(pool.map(start, range(count)))
            yield containers
        finally:
            self._remove(self._client.containers.list(all=True, filters={"label": OURS}))
            network.remove()

    def _remove(self, containers: Sequence[Any]) -> None:
        with ThreadPoolExecutor(max(1, len(containers))) as pool:
            list(pool.map(lambda container: container.remove(force=True, v=True), containers))
