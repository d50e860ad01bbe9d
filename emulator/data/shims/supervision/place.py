"""A site: what its replicas share, and their way to each other."""

import selectors
from collections.abc import Callable

from network import Network
from ports import Ports
from zygotes import FEWEST, Zygote, Zygotes

REPLICA_PORT = 2222


class Site(dict):
    """What the runner wrote into the site's spec.json, and what was made of it.

    ``network`` is there where each host has a namespace, ``ports`` where they share the machine's.
    """

    network: Network | None = None
    ports: Ports | None = None
    zygotes: Zygotes | None = None

    @property
    def gateway(self) -> str:
        return f"\0cmle-gateway-{self['instance']}"

    @property
    def replica_hosts(self) -> list[str]:
        return self.get("replica_hosts") or []

    def connect(self, known: dict[str, str]) -> dict[str, str]:
        """Make ``host:port`` for each of the site's hosts; ``known`` is what it was before."""
        hosts = self.replica_hosts
        if not hosts:
            return {}
        if self["isolation"] == "namespaces":
            self.network = Network(hosts)
            return {host: f"{host}:{REPLICA_PORT}" for host in hosts}
        wanted = {host: int(known[host].rpartition(":")[2]) for host in known}
        self.ports = Ports(hosts, wanted)
        return {host: f"localhost:{port}" for host, port in self.ports.numbers.items()}

    def breed(
        self, folder: str, selector: selectors.BaseSelector, say: Callable[[str], None]
    ) -> None:
        """Let replicas be forked from one that has their modules imported, if they are many."""
        if len(self.replica_hosts) >= FEWEST:
            self.zygotes = Zygotes(f"{folder}/zygote", selector, say)

    def zygote(self, replica: dict) -> Zygote | None:
        return self.zygotes.of(replica) if self.zygotes else None

    def neighbours(self, replica: dict) -> dict:
        """The replica's place among the site's hosts, as fields of its Plan."""
        host = replica.get("hostname")
        if not host or not self.replica_hosts:
            return {}
        if host not in self.replica_hosts:
            raise ValueError(f"{host} is not a host of this site")
        if self.network is None:
            self.ports.let_go(host)
            return {}
        return {
            "joins": [self.network.user, self.network.enter(host)],
            "peers": self.network.addresses,
        }

    def step(self) -> float:
        return self.zygotes.step() if self.zygotes else float("inf")

    def close(self) -> None:
        """What would otherwise go with the process."""
        if self.zygotes:
            self.zygotes.close()
