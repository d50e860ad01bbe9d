"""Where the replicas of a benchmark's jobs run: processes of this machine, or containers."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol, Self

from benchmarks.engine import Engine
from benchmarks.measuring import Memory, Options, memory_of, tree
from emulator.client import Client
from emulator.embedded import Emulator
from emulator.server import default_cache_dir

BUCKET: Final = "bench-tiers"
SAMPLE_S: Final = 0.5


class Place(Protocol):
    """``of_jobs``: what is there of jobs now, each thing by something that tells it apart."""

    client: Client

    def of_jobs(self) -> frozenset[object]: ...

    def memory_of_jobs(self) -> Memory: ...


class Processes:
    """Replicas are what supervisors started: programs that name a site of the data directory."""

    def __init__(self, emulator: Emulator, client: Client) -> None:
        self.client = client
        self._sites = f"{emulator.data_dir.resolve()}/sites/".encode()

    def _supervisors(self) -> Iterator[int]:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if self._sites in path.read_bytes():
                    yield int(path.parent.name)

    def of_jobs(self) -> frozenset[int]:
        return frozenset(pid for supervisor in self._supervisors() for pid in tree(supervisor))

    def memory_of_jobs(self) -> Memory:
        return memory_of(self.of_jobs())


class Containers:
    """What carries the label of a job, other emulators' aside that were there before."""

    def __init__(self, engine: Engine, client: Client) -> None:
        self.client = client
        self._engine = engine

    def of_jobs(self) -> frozenset[str]:
        return self._engine.of_jobs()

    def memory_of_jobs(self) -> Memory:
        return self._engine.memory_of_jobs()


@contextlib.contextmanager
def processes(options: Options) -> Iterator[Processes]:
    with _emulator(options) as (emulator, client):
        yield Processes(emulator, client)


@contextlib.contextmanager
def containers(options: Options, engine: Engine) -> Iterator[Containers]:
    with _emulator(options, "--runner", "docker") as (_, client):
        yield Containers(engine, client)


@contextlib.contextmanager
def _emulator(options: Options, *flags: str) -> Iterator[tuple[Emulator, Client]]:
    cache_dir = options.cache_dir or default_cache_dir()
    with (
        Emulator(options=["--cache-dir", str(cache_dir), *flags]) as emulator,
        emulator.client() as client,
    ):
        client.storage.create(BUCKET)
        yield emulator, client


class Peak:
    """The most that was measured while the block ran."""

    def __init__(self, measure: Callable[[], Memory]) -> None:
        self._measure = measure
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.memory = Memory()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self.memory = max(self.memory, self._measure(), key=lambda memory: memory.pss)
