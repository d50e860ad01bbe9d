"""Machine types fitted to this machine: what each replica of a job may use at most.

A limit is no reservation. With the policy "scaled" a replica has the CPUs of its machine
type, or this machine's if it has fewer; its memory is the type's if all replicas' together
fit into nine tenths of this machine's, else the type's part of those, but 2 GiB (or the
type's, if that is less) at the least: TensorFlow takes half a gigabyte to import. It may
write as much as its boot disk would hold, but no more than half of what is free here.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from emulator.plan import Member, Plan
from emulator.runners import Abilities

Policy = Literal["exact", "scaled", "off"]

LEAST_BYTES: Final = 2 << 30
SHARE: Final = 0.9
_GIB: Final = 1 << 30
_FEW_THREADS: Final = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "2",
    "OMP_NUM_THREADS": "1",
}


class Limit(msgspec.Struct, frozen=True):
    """The most that one replica may use; None: whatever there is."""

    cpus: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None


class Fit(msgspec.Struct, frozen=True):
    """Limits in the order of the plan's members; ``warning`` says what was scaled down."""

    limits: tuple[Limit, ...]
    warning: str = ""


def fit(plan: Plan, abilities: Abilities, policy: Policy) -> Fit:
    """The limits of a job's replicas on a machine; abilities of 0 are not known."""
    if policy == "off":
        return Fit(tuple(Limit() for _ in plan.members))
    asked = tuple(
        Limit(it.cpus or None, it.memory_bytes or None, it.disk_bytes or None)
        for it in plan.members
    )
    if policy == "exact":
        return Fit(asked)
    total = sum(member.memory_bytes for member in plan.members)
    usable = abilities.memory_bytes * SHARE or total
    fitted = tuple(_fitted(it, abilities, usable / max(total, usable)) for it in asked)
    same = all(
        (it.cpus, it.memory_bytes) == (whole.cpus, whole.memory_bytes)
        for it, whole in zip(fitted, asked, strict=True)
    )
    return Fit(fitted, "" if same else _warning(plan, abilities, fitted))


def refusal(plan: Plan, abilities: Abilities, policy: Policy) -> str | None:
    """Why a job cannot have exactly the machines that it asks for here."""
    if policy != "exact":
        return None
    cpus = sum(member.cpus for member in plan.members)
    total = sum(member.memory_bytes for member in plan.members)
    if cpus <= abilities.cpus and total <= (abilities.memory_bytes or total):
        return None
    return (
        f"The job's machine types have {cpus} CPUs and {_gib(total)} GiB of memory in all, "
        f"{_machine(abilities)}, and the emulator was told to give jobs exactly what they ask "
        "for (--limits exact). Choose smaller machine types, or start the emulator with "
        "--limits scaled."
    )


def threads(plan: Plan, abilities: Abilities) -> dict[str, str]:
    """Variables that keep many replicas from having a thread for each CPU, each of them."""
    return dict(_FEW_THREADS) if len(plan.members) > abilities.cpus else {}


def _fitted(asked: Limit, abilities: Abilities, part: float) -> Limit:
    cpus, memory, disk = asked.cpus, asked.memory_bytes, asked.disk_bytes
    if cpus and abilities.cpus:
        cpus = min(cpus, float(abilities.cpus))
    if memory is not None:
        memory = max(min(memory, LEAST_BYTES), int(memory * part))
    if disk and abilities.disk_bytes:
        disk = min(disk, abilities.disk_bytes // 2)
    return Limit(cpus, memory, disk)


def _warning(plan: Plan, abilities: Abilities, limits: Iterable[Limit]) -> str:
    rows = dict.fromkeys(map(_row, plan.members, limits))
    return (
        f"The machine types of this job are scaled down: {_machine(abilities)}. Each replica is "
        f"limited to: {'; '.join(rows)}. `cmle serve --limits exact` refuses such jobs, "
        "`--limits off` sets no limits."
    )


def _row(member: Member, limit: Limit) -> str:
    return (
        f"{member.task.type} ({member.machine_type}) {limit.cpus or 0:g} of {member.cpus} CPUs, "
        f"{_gib(limit.memory_bytes or 0)} of {_gib(member.memory_bytes)} GiB"
    )


def _machine(abilities: Abilities) -> str:
    return f"this machine has {abilities.cpus} CPUs and {_gib(abilities.memory_bytes)} GiB"


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f}".removesuffix(".0")
