"""The job asks for more than a project has by default.

New projects have no accelerators and about twenty CPUs for training at one time; more has
to be asked for. It is a warning: nobody can see a project's quota from here.
"""

from collections.abc import Iterator
from typing import Final

from emulator import catalog
from emulator.catalog import Catalog
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.resources import TrainingInput

SEVERITY: Final = Severity.WARNING
FIRST_CPUS: Final = 20
MOST_CPUS: Final = 450


def check(evidence: Evidence) -> Iterator[Finding]:
    request = evidence.request
    known = catalog.load()
    replicas, accelerators = _asked(request.training, known)
    cpus = 0
    for machine, count in replicas:
        kind = known.machines.training(machine)
        cpus += (kind.cpus if kind else 0) * count
    line = request.line("scaleTier") or request.line("trainingInput")
    if cpus > FIRST_CPUS:
        most = MOST_CPUS if cpus > MOST_CPUS else FIRST_CPUS
        yield Finding(
            message=f"The job asks for {cpus} CPUs at one time; projects begin with {FIRST_CPUS} "
            f"and typically end with {MOST_CPUS}.",
            fix="Ask for the quota before, or choose a smaller tier.",
            path=request.path,
            line=line,
            cloud=f"Quota failure for project P. The request for {cpus} CPUs exceeds the allowed "
            f"maximum of {most}.",
            severity=Severity.WARNING if cpus > MOST_CPUS else Severity.NOTE,
        )
    for name, count in accelerators:
        short = name.removeprefix("NVIDIA_TESLA_")
        yield Finding(
            message=f"The job asks for {count} {short}; projects begin with none.",
            fix="Ask for the quota before.",
            path=request.path,
            line=line,
            cloud=f"Quota failure for project P. The request for {count} {short} accelerators "
            "exceeds the allowed maximum of 0 A100, 0 K80, 0 P100, 0 P4, 0 T4, 0 TPU_V2, …",
            verified=True,
        )


def _asked(
    spec: TrainingInput, known: Catalog
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Machine types and accelerators with their numbers."""
    tier = known.tiers.get(spec.scale_tier)
    replicas = [(tier.master, 1)] if tier and tier.master else []
    replicas += [group for group in (tier.worker, tier.parameter_server) if group] if tier else []
    accelerators = [tier.accelerator] if tier and tier.accelerator else []
    groups = (
        (spec.master_type, 1, spec.master_config),
        (spec.worker_type, spec.worker_count, spec.worker_config),
        (spec.parameter_server_type, spec.parameter_server_count, spec.parameter_server_config),
        (spec.evaluator_type, spec.evaluator_count, spec.evaluator_config),
    )
    for machine, count, config in groups:
        if not machine or count <= 0:
            continue
        replicas.append((machine, count))
        kind = known.machines.training(machine)
        if kind is not None and kind.accelerator:
            accelerators.append((kind.accelerator, kind.count * count))
        if config is not None and config.accelerator_config is not None:
            asked = config.accelerator_config
            accelerators.append((asked.type, asked.count * count))
    return replicas, [each for each in accelerators if each[1]]
