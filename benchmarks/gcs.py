"""TensorFlow on ``gs://``: the emulator beside a bare TLS proxy in front of fake-gcs-server."""

import contextlib
import itertools
import os
import secrets
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from benchmarks.measuring import MIB, Figure, Options, Row, median, ratio
from benchmarks.peer_storage import peer_storage
from benchmarks.workers import Worker, runtime
from emulator.embedded import Emulator
from emulator.errors import OperatorError
from emulator.server import default_cache_dir
from emulator.storage.binary import find_or_obtain

WRITE_TARGET: Final = 1.3
READ_TARGET: Final = 0.9
READS: Final = 3  # a round: one takes too short a time to tell
SEEDERS: Final = 4
TRUSTED: Final = Path("/etc/ssl/certs/ca-certificates.crt")
BIND: Final = f'mount --bind "$0" {TRUSTED} && exec "$@"'
SMALL: Final = {
    "write_few": "write 100 bytes",
    "hit": "exists, hit",
    "miss": "exists, miss",
    "stat": "stat",
}


class Side(msgspec.Struct, frozen=True):
    """One of the two stores that are compared, as clients reach it."""

    url: str  # plain HTTP, to fill the bucket
    proxy: str
    ca_path: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "https_proxy": self.proxy,
            "CURL_CA_BUNDLE": str(self.ca_path),
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
        }

    def command(self, version: str) -> list[str]:
        """TensorFlow 1.15 reads no variable: its one file is covered by ours."""
        if not version.startswith("1."):
            return []
        return ["unshare", "-Urm", "sh", "-c", BIND, str(self.ca_path)]


def figures(options: Options) -> Iterator[Figure]:
    cache_dir = options.cache_dir or default_cache_dir()
    binary = find_or_obtain(None, cache_dir, options.say)
    for version in options.runtimes:
        with (
            tempfile.TemporaryDirectory(prefix="cmle-bench-") as name,
            Emulator(options=["--cache-dir", str(cache_dir)]) as emulator,
            peer_storage(binary, Path(name)) as peer,
        ):
            here = Side(emulator.url, emulator.url, Path(emulator.endpoint.ca_path))
            sides = (here, Side(peer.url, peer.proxy, peer.ca_path))
            yield compared(version, sides, Path(name), options)


def compared(version: str, sides: tuple[Side, Side], folder: Path, options: Options) -> Figure:
    """The figure of one runtime version; ``sides`` are ours and the peer."""
    made = runtime(version, options)
    with contextlib.ExitStack() as stack:
        workers = []
        for index, side in enumerate(sides):
            home = folder / f"{version}-{index}"
            home.mkdir()
            workers.append(
                stack.enter_context(
                    Worker.started(
                        "gs_files",
                        made,
                        home,
                        env=side.environment,
                        before=side.command(version),
                    )
                )
            )
        bucket = f"bench-{secrets.token_hex(4)}"
        for side in sides:
            make_bucket(side, bucket)
        rows = list(big_files(workers, bucket, options))
        filled = 0
        for objects in (100, options.times(10_000, 1_000)):
            options.say(f"gcs: filling the buckets to {objects:,} objects")
            for side in sides:
                fill(side, bucket, range(filled, objects))
            filled = objects
            rows += small_files(workers, bucket, objects, options)
    return Figure(
        title=f"gs:// from TensorFlow {made.tensorflow}",
        peer="TLS proxy + fake-gcs-server",
        rows=tuple(rows),
    )


def big_files(workers: Sequence[Worker], bucket: str, options: Options) -> Iterator[Row]:
    pieces = options.times(200, 20)
    rates: dict[str, list[list[float]]] = {"write": [[], []], "read": [[], []]}
    for number in range(options.times(3, 2)):
        options.say(f"gcs: {pieces} MiB, round {number + 1}")
        for index, worker in turns(workers, number):
            uri = f"gs://{bucket}/big-{number}"
            for what, times in (("write", 1), ("read", READS)):
                seconds = [worker.do(what, uri=uri, pieces=pieces) for _ in range(times)]
                rates[what][index].append(pieces * MIB / 1e6 / median(seconds))
            worker.do("remove", uri=uri)
    for what, target in (("write", WRITE_TARGET), ("read", READ_TARGET)):
        here, peer = rates[what]
        yield Row(
            what=f"{what} {pieces} MiB",
            here=f"{median(here):.0f} MB/s",
            peer=f"{median(peer):.0f} MB/s",
            compared=f"{ratio(here, peer):.2f}x",
            target=f"≥ {target}x",
            met=ratio(here, peer) >= target,
        )


def small_files(
    workers: Sequence[Worker], bucket: str, objects: int, options: Options
) -> Iterator[Row]:
    each = 10  # TensorFlow remembers a stat for 5 s, so no name is asked twice
    rounds = options.times(5, 2)
    names = itertools.count(objects - rounds * 2 * each)
    times: dict[str, list[list[float]]] = {what: [[], []] for what in SMALL}
    medians: dict[str, list[list[float]]] = defaultdict(lambda: [[], []])
    for number in range(rounds):
        known = [f"gs://{bucket}/{seeded(next(names))}" for _ in range(2 * each)]
        fresh = [f"gs://{bucket}/{objects}/{number}/{index}" for index in range(2 * each)]
        for index, worker in turns(workers, number):
            asked = {
                "write_few": partial(worker.do, "write_few", uris=fresh[:each]),
                "hit": partial(worker.do, "exists", uris=known[:each], answer=True),
                "miss": partial(worker.do, "exists", uris=fresh[each:], answer=False),
                "stat": partial(worker.do, "stat", uris=known[each:]),
            }
            for what, ask in asked.items():
                found = ask()
                times[what][index] += found
                medians[what][index].append(median(found))
    for what, title in SMALL.items():
        here, peer = times[what]
        found = ratio(*medians[what])
        yield Row(
            what=f"{title}, {objects:,} objects",
            here=f"{median(here) * 1e3:.1f} ms",
            peer=f"{median(peer) * 1e3:.1f} ms",
            compared=f"{found:.2f}x",
            target="" if what == "write_few" else "≤ 1x",
            met=None if what == "write_few" else found <= 1,
        )


def turns(workers: Sequence[Worker], number: int) -> list[tuple[int, Worker]]:
    """Both, another one first in each round."""
    order = list(enumerate(workers))
    return order if number % 2 == 0 else order[::-1]


def seeded(index: int) -> str:
    return f"data/part-{index:05d}.csv"


def make_bucket(side: Side, bucket: str) -> None:
    body = msgspec.json.encode({"name": bucket})
    post(connected(side), "/storage/v1/b?project=bench", body, "application/json")


def fill(side: Side, bucket: str, indices: range) -> None:
    """Store one small object for each index, a few at once."""

    def some(part: range) -> None:
        with contextlib.closing(connected(side)) as connection:
            for index in part:
                name = quote(seeded(index), safe="")
                path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
                post(connection, path, b"x" * 100, "text/csv")

    with ThreadPoolExecutor(SEEDERS) as pool:
        list(pool.map(some, (indices[start::SEEDERS] for start in range(SEEDERS))))


def connected(side: Side) -> HTTPConnection:
    return HTTPConnection(urlsplit(side.url).netloc, timeout=60)


def post(connection: HTTPConnection, path: str, body: bytes, kind: str) -> None:
    connection.request("POST", path, body, {"Content-Type": kind})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise OperatorError(f"POST {path} answered {answer.status}: {os.fsdecode(content[:500])}")
