"""The instance's relay: a container with a leg in every job's network and one to the gateway.

One for all jobs, because a container costs a second to start and a network's leg a tenth:
who is asking is told by the leg. Its name server and its ports are all that replicas reach.
"""

import asyncio
import hashlib
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from docker.api.client import APIClient

from emulator.cluster import Network
from emulator.errors import OperatorError
from emulator.runners.docker import networks
from emulator.runners.docker.description import SHIMS_TARGET, labels
from emulator.runners.docker.door import Door
from emulator.runners.docker.engine import Engine, Refusal
from emulator.runners.docker.files import USER, Archive
from emulator.runners.docker.firewall import Firewall, Opening
from emulator.shipped import SHIMS

log = logging.getLogger(__name__)

ROLE: Final = "relay"
OUTER: Final = "outer"
_PROGRAM: Final = SHIMS / "relay.py"
_CONFIG: Final = f"{SHIMS_TARGET}/relay.json"
_MEMORY: Final = 256 << 20
_PIDS: Final = 64


class State(msgspec.Struct, frozen=True):
    """What a restarted emulator needs to find the relay's connections again."""

    secret: str
    port: int = 0


class Relay:
    """``image`` answers the name of an image with ``python3``: asked with True it makes one."""

    def __init__(
        self, engine: Engine, instance: str, state: Path, image: Callable[[bool], Awaitable[str]]
    ) -> None:
        self._engine = engine
        self._instance = instance
        self._path = state
        self._image = image
        self._turn = asyncio.Lock()
        self._door: Door | None = None
        self._firewall: Firewall | None = None
        self._is_here = True
        self._own = ""  # the container that this process runs in, if it does
        self._joined: dict[str, Network] = {}
        self.open_because = ""  # why the machine is not closed to containers

    @property
    def name(self) -> str:
        return f"cmle-{self._instance}-relay"

    async def ready(self) -> None:
        """Make everything, or find it again. OperatorError if that cannot be."""
        async with self._turn:
            if self._door is None:
                await self._open()

    async def join(self, site: networks.Found, network: Network) -> None:
        """Lead a site's network to the gateway, in the name of ``network``."""
        await self.ready()
        assert self._door is not None  # noqa: S101 ready
        known = self._joined.get(site.id)
        if known == network:
            return
        if known is not None:
            raise OperatorError("The replicas of one site have one identity and one way out.")
        self._joined[site.id] = network
        try:
            await self._door.admit(site.subnet.relay, network)
            await self._connect(self.name, site, site.subnet.relay)
        except BaseException:
            self._joined.pop(site.id, None)
            raise

    async def leave(self, site: networks.Found) -> None:
        """End what goes through; the network can be removed then."""
        self._joined.pop(site.id, None)
        if self._door is not None:
            await self._door.admit(site.subnet.relay, None)
        for container in filter(None, (self.name, self._own)):
            await self._disconnect(container, site)

    async def visit(self, site: networks.Found) -> None:
        """Have this process reach the site's replicas, where it is in a container itself."""
        await self.ready()
        if self._own:
            await self._connect(self._own, site)

    async def close(self) -> None:
        """Remove everything of the instance's own."""
        async with self._turn:
            if self._door is not None:
                await self._door.close()
            outers = await self._engine.call(self._outers)
            if outers and self._firewall is None:  # of an emulator that was killed
                self._firewall = await self._found_firewall(outers[0])
            for container in await self._engine.call(self._containers):
                await self._remove(container)
            for outer in outers:
                described = await self._engine.call(
                    partial(APIClient.inspect_network, net_id=outer.id)
                )
                for container in described["Containers"]:  # this process's own, if it is in one
                    await self._disconnect(container, outer)
                await self._engine.call(partial(APIClient.remove_network, net_id=outer.id))
            if self._firewall is not None:
                await self._firewall.remove()
            self._door = None

    async def let_go(self) -> None:
        """Leave it running for the emulator that comes next."""
        if self._door is not None:
            await self._door.close()
            self._door = None

    async def _found_firewall(self, outer: networks.Found) -> Firewall:
        """With the image of the relay that was let in."""
        here = networks.is_here(outer.subnet)
        found = await self._engine.call(
            lambda client: client.containers(all=True, filters=self._filter(ROLE))
        )
        image = str(found[0]["Image"]) if found else ""
        return Firewall(self._engine, self._instance, image=image, is_here=here)

    async def _open(self) -> None:
        state = self._state()
        image = await self._image(True)  # noqa: FBT003 one question
        outer = await networks.find_or_create(
            self._engine, f"cmle-{self._instance}-outer", self._instance, role=OUTER
        )
        address = await self._gateway_address(outer)
        door = Door(self._instance, state.secret)
        port = door.open(address, state.port)
        try:
            self._keep(State(state.secret, port))
            await self._close_machine(outer, image, address, port)
            await self._start(outer, image, {"gateway": [address, port], "secret": state.secret})
        except BaseException:
            await door.close()
            raise
        self._door = door

    def _state(self) -> State:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            return State(secrets.token_hex(24))

    def _keep(self, state: State) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(msgspec.json.encode(state))
        fresh.replace(self._path)

    def _outers(self, client: APIClient) -> list[networks.Found]:
        return [networks.found(each) for each in client.networks(filters=self._filter(OUTER))]

    def _containers(self, client: APIClient) -> list[str]:
        found = client.containers(all=True, filters=self._filter(ROLE))
        return [str(each["Id"]) for each in found]

    def _filter(self, role: str) -> dict[str, list[str]]:
        return {"label": [f"{k}={v}" for k, v in labels(self._instance, role=role).items()]}

    async def _gateway_address(self, outer: networks.Found) -> str:
        self._is_here = networks.is_here(outer.subnet)
        if self._is_here:
            return outer.subnet.bridge
        try:
            own = await self._engine.call(lambda client: client.inspect_container(_hostname()))
        except Refusal as refusal:
            raise OperatorError(
                "The Docker Engine is on another machine, or in another network, than the "
                "emulator: its containers cannot reach the gateway. Run the emulator on the "
                "engine's machine, or in a container of it (docker compose)."
            ) from refusal
        self._own = str(own["Id"])
        await self._connect(self._own, outer)
        own = await self._engine.call(lambda client: client.inspect_container(self._own))
        return str(own["NetworkSettings"]["Networks"][outer.name]["IPAddress"])

    async def _close_machine(
        self, outer: networks.Found, image: str, address: str, port: int
    ) -> None:
        described = await self._engine.call(lambda client: client.inspect_network(outer.id))
        bridge = described["Options"]["com.docker.network.bridge.name"]
        self._firewall = Firewall(self._engine, self._instance, image=image, is_here=self._is_here)
        opening = Opening(bridge, address, port) if self._is_here else None
        self.open_because = await self._firewall.close_machine(opening)
        if self.open_because:
            log.warning(
                "Containers of jobs can reach the open ports of the Docker Engine's machine: %s. "
                "Run the emulator as root, or give it an image with iptables.",
                self.open_because,
            )

    async def _start(self, outer: networks.Found, image: str, config: dict[str, Any]) -> None:
        version = hashlib.sha256(_PROGRAM.read_bytes() + image.encode()).hexdigest()[:16]
        archive = _archive(config)
        for found in await self._engine.call(self._containers):
            state = await self._engine.call(partial(APIClient.inspect_container, container=found))
            if state["State"]["Running"] and state["Config"]["Labels"]["cmle.version"] == version:
                await self._engine.call(lambda client: client.put_archive(self.name, "/", archive))
                return
            await self._remove(found)
        described = self._described(outer, image, version)
        await self._engine.call(lambda client: _start(client, self.name, described, archive))

    def _described(self, outer: networks.Found, image: str, version: str) -> dict[str, Any]:
        return {
            "Image": image,
            "Entrypoint": ["python3", "-I", "-u", f"{SHIMS_TARGET}/relay.py", _CONFIG],
            "User": f"{USER}:{USER}",
            "Hostname": ROLE,
            "Labels": labels(self._instance, role=ROLE, version=version),
            "HostConfig": {
                "NetworkMode": outer.name,
                "Init": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"],
                "PidsLimit": _PIDS,
                "Memory": _MEMORY,
                "MemorySwap": _MEMORY,
                "RestartPolicy": {"Name": "on-failure"},
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
                "Sysctls": {  # no way from one job's network into another's
                    "net.ipv4.ip_forward": "0",
                    "net.ipv4.ip_unprivileged_port_start": "0",
                },
            },
        }

    async def _remove(self, container: str) -> None:
        await self._engine.call(
            lambda client: client.remove_container(container, force=True, v=True)
        )

    async def _connect(self, container: str, site: networks.Found, address: str = "") -> None:
        def work(client: APIClient) -> None:
            client.connect_container_to_network(container, site.id, ipv4_address=address or None)

        try:
            await self._engine.call(work)
        except Refusal as refusal:
            if "already exists in network" not in refusal.text:
                raise

    async def _disconnect(self, container: str, site: networks.Found) -> None:
        def work(client: APIClient) -> None:
            client.disconnect_container_from_network(container, site.id, force=True)

        try:
            await self._engine.call(work)
        except Refusal as refusal:
            if not (refusal.is_missing or "is not connected" in refusal.text):
                raise


def _archive(config: Mapping[str, Any]) -> bytes:
    archive = Archive()
    archive.content(_CONFIG, msgspec.json.encode(config), mode=0o400, owner=USER)
    archive.copy(_PROGRAM, f"{SHIMS_TARGET}/relay.py")
    data = archive.finished()
    archive.close()
    assert isinstance(data, bytes)  # noqa: S101 it is small
    return data


def _start(client: APIClient, name: str, described: dict[str, Any], archive: bytes) -> None:
    made = client.create_container_from_config(described, name)["Id"]
    client.put_archive(made, "/", archive)
    client.start(made)


def _hostname() -> str:
    return socket.gethostname()
