"""Networks of a job's own: internal, with a small subnet that nobody else has."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from docker.api.client import APIClient

from emulator.errors import OperatorError
from emulator.runners.docker.description import labels
from emulator.runners.docker.engine import Engine, Refusal

RANGES: Final = ("10.213.0.0/16", "10.214.0.0/16", "172.30.0.0/16", "192.168.192.0/18")
LEAST_PREFIX: Final = 25
_RESERVED: Final = 6  # addresses beside the replicas': the bridge, the relay, restarts, …
_OVERLAPS: Final = "overlaps"
_TRIES: Final = 64
_BRIDGE: Final = "com.docker.network.bridge.name"


class Subnet(msgspec.Struct, frozen=True):
    """Addresses of a network: the bridge's (the engine's machine), the relay's, the replicas'."""

    cidr: str

    @property
    def bridge(self) -> str:
        return str(IPv4Network(self.cidr)[1])

    @property
    def relay(self) -> str:
        return str(IPv4Network(self.cidr)[2])

    def of_host(self, number: int) -> str:
        """The address of a site's host, the same whenever it is started again."""
        return str(IPv4Network(self.cidr)[3 + number])

    @property
    def replicas(self) -> str:
        """The upper half, so that no replica takes an address of the lower."""
        return str(list(IPv4Network(self.cidr).subnets())[1])


class Found(msgspec.Struct, frozen=True):
    """A network that exists."""

    id: str
    name: str
    subnet: Subnet
    site_id: str = ""


def bridge_prefix(instance: str) -> str:
    """How the bridges of an instance's networks begin, for rules of the machine's firewall."""
    return f"cm{instance[:6]}"


async def find_or_create(
    engine: Engine, name: str, instance: str, hosts: int = 0, **extra: str
) -> Found:
    """The instance's network of this name, made for so many hosts; ``extra`` are labels."""
    networks = await engine.call(lambda client: client.networks())
    wanted = labels(instance, **extra).items()
    for network in networks:
        if network["Name"] == name and wanted <= (network.get("Labels") or {}).items():
            return found(network)
    taken = [*_subnets(networks), *_routes(Path("/proc/net/route"))]
    prefix = min(LEAST_PREFIX, 31 - (hosts + _RESERVED).bit_length())
    for subnet in islice(free(prefix, taken), _TRIES):
        bridge = f"{bridge_prefix(instance)}-{secrets.token_hex(3)}"
        make = partial(
            _create, name=name, subnet=subnet, bridge=bridge, named=labels(instance, **extra)
        )
        try:
            made = await engine.call(make)
        except Refusal as refusal:
            if _OVERLAPS not in refusal.text:
                raise
        else:
            return Found(made["Id"], name, subnet, extra.get("site", ""))
    raise OperatorError(
        f"No private addresses are left for a job's network in {', '.join(RANGES)}: "
        "`docker network ls` shows who has them."
    )


def _create(
    client: APIClient, name: str, subnet: Subnet, bridge: str, named: dict[str, str]
) -> Mapping[str, Any]:
    made: Mapping[str, Any] = client.create_network(
        name,
        driver="bridge",
        internal=True,
        check_duplicate=True,
        labels=named,
        options={_BRIDGE: bridge},
        ipam={
            "Driver": "default",
            "Config": [
                {"Subnet": subnet.cidr, "Gateway": subnet.bridge, "IPRange": subnet.replicas}
            ],
        },
    )
    return made


def free(prefix: int, taken: Iterable[IPv4Network]) -> Iterator[Subnet]:
    """Subnets of this size that overlap with nothing taken, in order."""
    known = list(taken)
    for text in RANGES:
        whole = IPv4Network(text)
        near = [network for network in known if network.overlaps(whole)]
        for subnet in whole.subnets(new_prefix=max(prefix, whole.prefixlen)):
            if not any(subnet.overlaps(network) for network in near):
                yield Subnet(str(subnet))


def found(network: Mapping[str, Any]) -> Found:
    """Read an entry of ``GET /networks``."""
    config = network["IPAM"]["Config"] or [{}]
    named = network.get("Labels") or {}
    subnet = Subnet(str(config[0].get("Subnet", "")))
    return Found(network["Id"], network["Name"], subnet, named.get("cmle.site", ""))


def _subnets(networks: Iterable[Mapping[str, Any]]) -> Iterator[IPv4Network]:
    for network in networks:
        for config in (network.get("IPAM") or {}).get("Config") or ():
            try:
                yield IPv4Network(config.get("Subnet", ""))
            except (AddressValueError, NetmaskValueError, ValueError):
                continue  # of the other protocol


def _routes(table: Path) -> Iterator[IPv4Network]:
    """What this machine reaches: wrong only where the engine is another's, and then harmless."""
    try:
        rows = table.read_text().splitlines()[1:]
    except OSError:
        return
    for row in rows:
        columns = row.split()
        address, mask = (int.from_bytes(bytes.fromhex(columns[n]), "little") for n in (1, 7))
        if mask:
            yield IPv4Network((address & mask, mask.bit_count()))


def is_local(networks: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the engine's own bridges are this process's, too."""
    ours = list(_routes(Path("/proc/net/route")))
    return any(subnet in ours for subnet in _subnets(networks))


def is_here(subnet: Subnet) -> bool:
    """Whether the network's bridge is one of this process's own network."""
    bridge = IPv4Address(subnet.bridge)
    return any(bridge in network for network in _routes(Path("/proc/net/route")))
