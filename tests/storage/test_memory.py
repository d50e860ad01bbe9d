"""The door without a process behind it."""

import asyncio

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.identity import Identity, Kind
from emulator.storage.memory import open_memory

NOW_US = 1_700_000_000_000_000


def identified(door: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await door({**scope, "identity": Identity(Kind.USER, "p")}, receive, send)

    return app


async def _exchange() -> tuple[dict[str, str], bytes, int]:
    async with open_memory(lambda: NOW_US) as door:
        assert door.fake_gcs_pid == 0
        transport = httpx.ASGITransport(identified(door))
        async with httpx.AsyncClient(
            transport=transport, base_url="https://storage.googleapis.com"
        ) as client:
            made = await client.post("/storage/v1/b", params={"project": "p"}, json={"name": "b-1"})
            assert made.status_code == 200, made.text
            path = "/upload/storage/v1/b/b-1/o?uploadType=media&name=x"
            stored = await client.post(path, content=b"0123456789")
            read = await client.get(
                "/storage/v1/b/b-1/o/x?alt=media", headers={"range": "bytes=2-4"}
            )
            await client.delete("/storage/v1/b/b-1/o/x")
            gone = await client.get("/storage/v1/b/b-1/o/x")
            return stored.json(), read.content, gone.status_code


@pytest.mark.parametrize("time", [1, 2])
def test_stores_and_forgets(time: int) -> None:
    """The second time, nothing is left of the first."""
    document, content, status = asyncio.run(_exchange())
    assert document["size"] == "10"
    assert document["timeCreated"].startswith("2023-11-14T22:13:20")
    assert (content, status) == (b"234", 404), time
