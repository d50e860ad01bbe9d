"""Which replicas a training job has: roles, host names, machines, accelerators, images."""

import hashlib
import math
from collections.abc import Mapping
from typing import Final

import msgspec

from emulator.catalog import Catalog, Machine, is_gpu
from emulator.resources import AcceleratorConfig, ReplicaConfig, TrainingInput
from emulator.tf_config import LOCAL_ADDRESS, Task

MASTER: Final = Task("master", 0)
_GIB: Final = 1 << 30
_BOOT_DISK_GB: Final = 100  # unless the job says another size


class Accelerator(msgspec.Struct, frozen=True):
    """Some accelerators of one kind: GPUs, or the cores of a TPU."""

    type: str
    count: int

    def __str__(self) -> str:
        return f"{self.type}:{self.count}"


class Member(msgspec.Struct, frozen=True):
    """One replica. ``image`` is the user's own container, with its command and arguments.

    ``cpus`` and ``memory_bytes`` are the machine type's, ``disk_bytes`` its boot disk's; 0 where
    it has none.
    """

    task: Task
    host: str
    machine_type: str = ""
    cpus: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    gpu: Accelerator | None = None
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """The replicas of a job, the master first.

    ``tpu`` is the master's; ``units_per_hour`` what the service charges, in ML units;
    ``reduced`` says which counts are smaller than the job asks for: ``worker: 2 of 19``.
    """

    members: tuple[Member, ...]
    tpu: Accelerator | None = None
    units_per_hour: float = 0.0
    reduced: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple(member.task for member in self.members)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names of a cluster; none for a single replica."""
        return tuple(member.host for member in self.members) if len(self.members) > 1 else ()

    @property
    def gpus(self) -> int:
        return sum(member.gpu.count for member in self.members if member.gpu)

    @property
    def images(self) -> tuple[str, ...]:
        """The user's own images, each once."""
        return tuple(dict.fromkeys(member.image for member in self.members if member.image))

    def cluster(self, addresses: Mapping[str, str]) -> dict[str, list[str]]:
        """The addresses by role, as CLUSTER_SPEC has them: evaluators are not in it."""
        if not self.hosts:
            return {MASTER.type: [LOCAL_ADDRESS]}
        found: dict[str, list[str]] = {}
        for member in self.members:
            if member.task.type != "evaluator":
                found.setdefault(member.task.type, []).append(addresses[member.host])
        return found


class _Group(msgspec.Struct, frozen=True):
    """The replicas of one role, as tier or configuration have them."""

    role: str
    machine_type: str
    count: int
    config: ReplicaConfig


def plan(name: str, spec: TrainingInput, catalog: Catalog, *, scale: float = 1.0) -> Plan:
    """Lay out a valid job; ``name`` is its full one, from which its host names come.

    ``scale`` (0 < scale <= 1) reduces the workers and parameter servers, rounding up.
    """
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    image = spec.master_config.image_uri if spec.master_config else ""
    members: list[Member] = []
    reduced: list[str] = []
    rate = 0.0
    for group in _groups(spec, catalog):
        machine = catalog.machines.of_tier(group.machine_type) or Machine(cpus=0, memory_gb=0)
        attached = _attached(group, machine, spec, catalog)
        rate += group.count * _price(group.machine_type, machine, attached, catalog)
        if group.machine_type in catalog.machines.tpu:
            continue  # a worker that is a TPU is the master's
        count = group.count
        if group.role in {"worker", "ps"}:
            count = math.ceil(round(count * scale, 9))
        if count < group.count:
            reduced.append(f"{group.role}: {count} of {group.count}")
        members += [
            Member(
                task=Task(group.role, index),
                host=f"cmle-training-{group.role}-{digest}-{index}",
                machine_type=group.machine_type,
                cpus=machine.cpus,
                memory_bytes=int(machine.memory_gb * _GIB),
                disk_bytes=_disk_gb(group.config) * _GIB,
                gpu=attached if attached and is_gpu(attached.type) else None,
                image=group.config.image_uri or image,
                command=group.config.container_command,
                args=group.config.container_args,
            )
            for index in range(count)
        ]
    return Plan(
        tuple(members), _tpu(spec, catalog), round(rate / catalog.rates.unit, 4), tuple(reduced)
    )


def _groups(spec: TrainingInput, catalog: Catalog) -> list[_Group]:
    tier = catalog.tiers[spec.scale_tier]
    none = ReplicaConfig()
    configs = {
        "master": spec.master_config or none,
        "worker": spec.worker_config or none,
        "ps": spec.parameter_server_config or none,
        "evaluator": spec.evaluator_config or none,
    }
    asked = {
        "master": (tier.master or spec.master_type, 1),
        "worker": tier.worker or (spec.worker_type, spec.worker_count),
        "ps": tier.parameter_server or (spec.parameter_server_type, spec.parameter_server_count),
        "evaluator": (spec.evaluator_type, spec.evaluator_count),
    }
    return [_Group(role, *asked[role], config) for role, config in configs.items()]


def _attached(
    group: _Group, machine: Machine, spec: TrainingInput, catalog: Catalog
) -> Accelerator | None:
    """What the configuration, the machine type or the tier attaches to each replica."""
    config = group.config.accelerator_config or AcceleratorConfig()
    if config.count:
        return Accelerator(config.type, config.count)
    if machine.count:
        return Accelerator(machine.accelerator, machine.count)
    of_tier = catalog.tiers[spec.scale_tier].accelerator
    if of_tier and group.role == "master" and is_gpu(of_tier[0]):
        return Accelerator(*of_tier)
    return None


def _disk_gb(config: ReplicaConfig) -> int:
    asked = config.disk_config.boot_disk_size_gb if config.disk_config else 0
    return asked or _BOOT_DISK_GB


def _tpu(spec: TrainingInput, catalog: Catalog) -> Accelerator | None:
    for group in _groups(spec, catalog):
        machine = catalog.machines.tpu.get(group.machine_type)
        if machine is not None and group.count:
            return _attached(group, machine, spec, catalog)
    return None


def _price(
    machine_type: str, machine: Machine, attached: Accelerator | None, catalog: Catalog
) -> float:
    """What one replica costs an hour."""
    rates = catalog.rates
    name = machine.alike or machine_type
    per_cpu = next((rate for begin, rate in rates.cpu.items() if name.startswith(begin)), 0.0)
    extra = attached.count * rates.accelerator.get(attached.type, 0.0) if attached else 0.0
    return machine.cpus * per_cpu + extra
