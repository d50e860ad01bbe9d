"""The socket that relays come to: whoever is the gateway gets it, and is told who is who."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from emulator.cluster import Network
from emulator.errors import OperatorError
from emulator.identity import Identity, Kind
from emulator.runners.docker.door import Door

if TYPE_CHECKING:
    from tests.runners.conftest import FakeGateway

DEADLINE_S = 30.0
JOB = Network(Identity(Kind.JOB, "p", "job1"))
OTHER = Network(Identity(Kind.JOB, "p", "job2"))


@pytest.fixture
def instance() -> str:
    return secrets.token_hex(6)


@asynccontextmanager
async def opened(instance: str) -> AsyncIterator[tuple[Door, int]]:
    door = Door(instance, "secret")
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield door, door.open("127.0.0.1", 0)
    finally:
        await door.close()


async def asked(port: int, address: str) -> str:
    """Who the gateway takes the relay's ``address`` for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"cmle-relay secret {address} 443\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


def test_a_gateway_is_told_all_and_every_change(
    instance: str, fake_gateway: "type[FakeGateway]"
) -> None:
    async def work() -> None:
        async with opened(instance) as (door, port), fake_gateway(instance) as gateway:
            await door.admit("10.0.0.2", JOB)
            assert await asked(port, "10.0.0.2") == "job1"
            await door.admit("10.0.0.3", OTHER)
            assert await asked(port, "10.0.0.3") == "job2"
            await door.admit("10.0.0.3", None)
            assert gateway.networks[-2:] == [OTHER, None]

    asyncio.run(work())


def test_a_new_gateway_is_told_again(instance: str, fake_gateway: "type[FakeGateway]") -> None:
    async def work() -> None:
        async with opened(instance) as (door, port):
            await door.admit("10.0.0.2", JOB)
            await door.admit("10.0.0.3", OTHER)
            await door.admit("10.0.0.3", None)
            for _ in range(2):
                async with fake_gateway(instance) as gateway:
                    assert await asked(port, "10.0.0.2") == "job1"
                    assert gateway.networks == [JOB]

    asyncio.run(work())


def test_connections_wait_for_a_gateway(instance: str, fake_gateway: "type[FakeGateway]") -> None:
    async def work() -> str:
        async with opened(instance) as (door, port):
            await door.admit("10.0.0.2", JOB)
            early = asyncio.create_task(asked(port, "10.0.0.2"))
            await asyncio.sleep(0.2)
            assert not early.done()
            async with fake_gateway(instance):
                return await early

    assert asyncio.run(work()) == "job1"


def test_another_port_where_that_one_is_taken(instance: str) -> None:
    async def work(taken: int) -> int:
        door = Door(instance, "secret")
        try:
            return door.open("127.0.0.1", taken)
        finally:
            await door.close()

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = int(other.getsockname()[1])
        assert asyncio.run(work(taken)) not in {0, taken}


def test_an_address_of_another_machine(instance: str) -> None:
    async def work() -> None:
        Door(instance, "secret").open("192.0.2.1", 0)

    with pytest.raises(OperatorError, match="Is the Docker Engine on this machine"):
        asyncio.run(work())
