import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator

import httpx

from emulator.testing import fake_service, intercept

STORAGE = "https://storage.googleapis.com"
UPLOAD = f"{STORAGE}/upload/storage/v1/b/my-bucket/o?uploadType=media&name=x"
OBJECT = f"{STORAGE}/storage/v1/b/my-bucket/o/x?alt=media"
SCRIPT = fake_service(buckets=["my-bucket"])


def test_streams_both_ways() -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(5):
            yield bytes([number]) * 100_000

    with intercept(SCRIPT), httpx.Client() as client:
        assert client.post(UPLOAD, content=pieces()).json()["size"] == "500000"
        with client.stream("GET", OBJECT, headers={"range": "bytes=99999-100000"}) as answer:
            assert answer.status_code == 206
            assert b"".join(answer.iter_bytes()) == b"\0\1"


def test_answers_beside_the_clients_loop() -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"from "
        yield b"a loop"

    async def run() -> list[bytes]:
        async with httpx.AsyncClient() as client:
            uploaded = await client.post(UPLOAD, content=content())
            assert uploaded.status_code == 200
            answers = await asyncio.gather(*(client.get(OBJECT) for _ in range(20)))
            return [answer.content for answer in answers]

    with intercept(SCRIPT):
        assert asyncio.run(run()) == [b"from a loop"] * 20


def test_a_synchronous_client_within_a_loop_is_answered() -> None:
    async def run() -> int:
        return httpx.get(f"{STORAGE}/storage/v1/b/my-bucket").status_code  # noqa: ASYNC210

    with intercept(SCRIPT):
        assert asyncio.run(run()) == 200


def test_decodes_what_is_compressed() -> None:
    with intercept(SCRIPT), httpx.Client() as client:
        compressed = gzip.compress(b"small" * 1000)
        client.put(
            f"{STORAGE}/my-bucket/x", content=compressed, headers={"content-encoding": "gzip"}
        )
        assert client.get(OBJECT).content == b"small" * 1000


def test_heads_and_empty_answers() -> None:
    with intercept(SCRIPT), httpx.Client() as client:
        client.post(UPLOAD, content=b"12345")
        head = client.head(f"{STORAGE}/my-bucket/x")
        assert (head.headers["content-length"], head.content) == ("5", b"")
        assert client.delete(f"{STORAGE}/storage/v1/b/my-bucket/o/x").status_code == 204


def test_a_transport_of_ones_own_is_left_alone() -> None:
    mine = httpx.MockTransport(lambda _: httpx.Response(200, text="mine"))
    with intercept() as cloud, httpx.Client(transport=mine) as client:
        assert client.get("https://ml.googleapis.com/v1/projects/p/jobs").text == "mine"
        assert cloud.requests == []
