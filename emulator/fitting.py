"""A job's plan fitted to where it runs: each replica's description, and what the log says."""

from collections.abc import Iterator, Mapping

import msgspec

from emulator import accelerators, limits
from emulator.cluster import Replica
from emulator.grounds import Grounds
from emulator.plan import Plan
from emulator.projects import Project
from emulator.resources import Job
from emulator.tf_config import LOCAL_ADDRESS, Task
from emulator.training import Place, Prepared, Share, preload, training_replica


class Fitting(msgspec.Struct, frozen=True):
    """What an attempt's replicas are made from; ``addresses`` are those of its site."""

    job: Job
    plan: Plan
    prepared: Prepared
    grounds: Grounds
    project: Project

    def replica(self, task: Task, name: str, addresses: Mapping[str, str]) -> Replica:
        """Describe a member of the plan; ``name`` is its key within the site."""
        number = self.plan.tasks.index(task)
        member = self.plan.members[number]
        place = Place(
            isolation=self.grounds.level(self.plan.hosts),
            project_id=self.project.project_id,
            project_number=self.project.project_number,
            cluster=self.plan.cluster(addresses),
            hosts=self.plan.hosts,
            allow_hosts=self.grounds.allow_hosts,
        )
        abilities, terms = self.grounds.runner.abilities, self.grounds.terms
        limit = limits.fit(self.plan, abilities, terms.limits).limits[number]
        share = Share(
            cpus=max(1, int(limit.cpus or abilities.cpus)),
            limit=limit,
            equipment=accelerators.equipment(self.plan, member, abilities, terms.gpu),
            threads=limits.threads(self.plan, abilities),
            preload=preload(self.plan, self.prepared),
        )
        return training_replica(self.job, self.prepared, member, name, place, share)

    def warnings(self, addresses: Mapping[str, str]) -> Iterator[str]:
        """How this attempt differs from what the service would give it."""
        abilities, terms = self.grounds.runner.abilities, self.grounds.terms
        if self.plan.reduced:
            yield (
                f"The emulator runs fewer replicas than the job asks for (--replica-scale "
                f"{terms.replica_scale:g}): {', '.join(self.plan.reduced)}. TF_CONFIG shows the "
                "reduced cluster."
            )
        if warning := limits.fit(self.plan, abilities, terms.limits).warning:
            yield warning
        yield from accelerators.warnings(self.plan, abilities, terms.gpu)
        if few := limits.threads(self.plan, abilities):
            yield (
                f"{len(self.plan.members)} replicas share {abilities.cpus} CPUs: those that run a "
                "module get "
                + " ".join(f"{name}={value}" for name, value in few.items())
                + ", so that each has few threads."
            )
        if addresses and not set(self.plan.hosts) & {_host(it) for it in addresses.values()}:
            yield (
                "The replicas of this job share the network of their machine: TF_CONFIG and "
                f"CLUSTER_SPEC name {next(iter(addresses.values()))} and so on in place of the "
                f"service's host names with port {LOCAL_ADDRESS.rpartition(':')[2]}."
            )


def _host(address: str) -> str:
    return address.rpartition(":")[0]
