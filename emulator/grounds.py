"""Where jobs run and by which rules: the runner, its isolation, and what was chosen for it."""

from collections.abc import Callable

import msgspec

from emulator.accelerators import Policy as GpuPolicy
from emulator.catalog import Catalog
from emulator.cluster import Isolation
from emulator.fault_plan import FaultPlan
from emulator.limits import Policy as LimitPolicy
from emulator.runners import Runner


class Terms(msgspec.Struct, frozen=True):
    """How jobs are fitted to this machine; the command line's flags.

    ``end_grace_s`` is what workers and evaluators have after the master's end; workers that do
    nothing for ``idle_s`` of it only served the master, and are stopped. A job whose
    replicas print no line and use no CPU for ``stall_s`` is said to be stalled; where nobody
    counts CPU seconds, for ``silence_s`` of no line alone. Replicas that a runner has not ended
    ``late_s`` after it should have are left to the closing of their site.
    """

    limits: LimitPolicy = "scaled"
    replica_scale: float = 1.0
    gpu: GpuPolicy = "auto"
    end_grace_s: float = 30.0
    idle_s: float = 5.0
    stop_grace_s: float = 10.0
    late_s: float = 30.0
    stall_s: float = 300.0
    silence_s: float = 1800.0


class Grounds(msgspec.Struct, frozen=True):
    """Where jobs run: the runner, and its isolation level.

    ``allow_hosts`` are the hosts outside ("name:port") that replicas may reach.
    ``of_clusters`` answers the isolation level of replicas that are to reach each other, which
    need more of a kernel than single ones: asked when there is such a job, the same if None.
    ``faults`` are those that befall replicas.
    """

    runner: Runner
    isolation: Isolation
    catalog: Catalog
    terms: Terms = Terms()
    allow_hosts: tuple[str, ...] = ()
    of_clusters: Callable[[], Isolation] | None = None
    faults: FaultPlan = msgspec.field(default_factory=FaultPlan)

    def level(self, hosts: tuple[str, ...]) -> Isolation:
        """The isolation level of a job with these hosts; a single replica has none."""
        return self.of_clusters() if hosts and self.of_clusters else self.isolation
