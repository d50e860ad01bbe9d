"""The variables that lead a replica's clients to the gateway, below its own ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from emulator import environment
from emulator.cluster import Replica

# The supervisor puts the port in: it is known when the listener is open.
_GATEWAY: Final = "http://127.0.0.1:{gateway_port}"


def with_variables(replica: Replica, bundle: Path, peers: Sequence[str] = ()) -> Replica:
    """Add what the replica's isolation level and network need; its own variables win.

    In namespaces and containers Google's names lead to the gateway by themselves; a proxy is
    the way to the hosts that are allowed beside them. ``peers`` are the host names of its
    cluster: no proxy may stand between those.
    """
    network = replica.network
    isolated = replica.isolation != "none"
    ca_bundle = environment.SYSTEM_BUNDLE if isolated else str(bundle)
    if network is None:
        added = {}
    elif isolated and network.scope == "google" and not network.allow_hosts:
        added = environment.namespace_variables(ca_bundle)
    else:
        added = environment.replica_variables(_GATEWAY, ca_bundle)
    env = environment.without_proxy_between({**added, **replica.env}, peers)
    return msgspec.structs.replace(replica, env=env)
