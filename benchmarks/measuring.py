"""What every figure needs: medians, free ports, a process's memory, and rows of a table."""

import contextlib
import socket
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent
MIB: Final = 1 << 20


class Options(msgspec.Struct, frozen=True):
    """``quick``: fewer repetitions and smaller data, to see that everything runs.

    ``gcloud``: ask it, too, where that takes minutes.
    """

    quick: bool = False
    gcloud: bool = False
    cache_dir: Path | None = None
    runtimes: tuple[str, ...] = ("2.11",)
    say: Callable[[str], None] = print

    def times(self, full: int, quick: int) -> int:
        return quick if self.quick else full


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measured thing: here, at the peer, how they compare, and what was hoped for."""

    what: str
    here: str
    peer: str = ""
    compared: str = ""
    target: str = ""
    met: bool | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark's table; ``peer`` names what stands in the column beside ours."""

    title: str
    peer: str
    rows: tuple[Row, ...]


class Grid(msgspec.Struct, frozen=True):
    """A table of counts, with headings of its own; its last row is the sum of the others."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def ratio(here: Sequence[float], peer: Sequence[float]) -> float:
    """The median of the rounds' own ratios: each round's two halves met the same load."""
    return median(a / b for a, b in zip(here, peer, strict=True))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(happened: Callable[[], bool], *, deadline_s: float, every_s: float) -> None:
    """Ask until it happened; TimeoutError if it does not in time."""
    end = time.perf_counter() + deadline_s
    while not happened():
        if time.perf_counter() > end:
            raise TimeoutError(f"Nothing happened within {deadline_s:g} s.")
        time.sleep(every_s)


def answers(port: int, path: str) -> bool:
    """Whether a GET there is answered with 200 now."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection), contextlib.suppress(OSError, HTTPException):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    return False


class Memory(msgspec.Struct, frozen=True):
    """In MB (10⁶ bytes). ``pss`` shares a page out among those who map it, ``rss`` does not."""

    pss: float = 0.0
    rss: float = 0.0

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.pss + other.pss, self.rss + other.rss)

    def __str__(self) -> str:
        return f"{self.pss:.0f} MB (RSS {self.rss:.0f})"


def memory(pid: int) -> Memory:
    """What one process has in memory now."""
    sizes = {
        line.split(":")[0]: int(line.split()[1]) * 1024 / 1e6
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.endswith("kB")
    }
    return Memory(sizes["Pss"], sizes["Rss"])


def children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def tree(pid: int) -> list[int]:
    """A process and all that came of it, as far as they are there."""
    try:
        below = children(pid)
    except OSError:
        return []
    return [pid, *(one for child in below for one in tree(child))]


def memory_of(pids: Iterable[int]) -> Memory:
    """Of all these together; who has ended meanwhile has none."""
    total = Memory()
    for pid in pids:
        with contextlib.suppress(OSError, KeyError):
            total += memory(pid)
    return total
