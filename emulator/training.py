"""The replicas of a training job: their command, their environment and what they see."""

import re
import shlex
from typing import Any, Final

import msgspec

from emulator.accelerators import Equipment
from emulator.cluster import Bind, Isolation, Network, Replica
from emulator.identity import Identity, Kind
from emulator.limits import Limit
from emulator.plan import Member, Plan
from emulator.resources import Job, TrainingInput, message_of
from emulator.schema import names
from emulator.tf_config import MKL, Task, user_args, variables

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRELOADED: Final = ("tensorflow",)
_MANY: Final = 2  # replicas, up to which each imports for itself
_REFERENCE: Final = re.compile(r"\$(\$|\(([A-Za-z_][A-Za-z0-9_]*)\))")

# Distributions that come in with TensorFlow: of a job's own version none is preloaded.
_FAMILIES: Final = ("tensorflow", "tensorboard", "keras", "tf-")
_BENEATH: Final = frozenset(
    {"absl-py", "grpcio", "h5py", "numpy", "protobuf", "scipy", "setuptools", "six", "wrapt"}
)


class Prepared(msgspec.Struct, frozen=True):
    """What a job runs with: an interpreter, and the folders that its packages are in.

    ``binds`` are the read-only folders that a replica needs to see for them, ``image`` the
    container image that has the interpreter, where the runner runs images. ``distributions``
    are what was installed for the job, by normalized name, and ``imports`` the modules among
    PRELOADED that its sources name. A job whose replicas all run in
    the user's own images has none of it.
    """

    python: str = ""
    image: str = ""
    binds: tuple[Bind, ...] = ()
    site_packages: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    distributions: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """Where the replicas of a job run; ``cluster`` has their addresses by role.

    ``hosts`` are the host names of a cluster's replicas; a single replica has none.
    """

    isolation: Isolation
    project_id: str
    project_number: int
    cluster: dict[str, list[str]]
    hosts: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()


class Share(msgspec.Struct, frozen=True):
    """What one replica gets of the machine: ``cpus`` is how many it counts."""

    cpus: int = 1
    limit: Limit = Limit()
    equipment: Equipment = Equipment()
    threads: dict[str, str] = {}
    preload: tuple[str, ...] = ()


def training_argv(spec: TrainingInput) -> list[str]:
    """What the module gets, in the service's order."""
    return user_args(spec.args, spec.job_dir)


def command_line(spec: TrainingInput) -> str:
    """The line that the service's log shows for the module."""
    return shlex.join(["python3", "-m", spec.python_module, *training_argv(spec)])


def service_account(project_number: int) -> str:
    """The account that a job runs as, unless it names another."""
    return f"{project_number}-compute@developer.gserviceaccount.com"


def preload(plan: Plan, prepared: Prepared) -> tuple[str, ...]:
    """What the replicas of a large job may find imported.

    TensorFlow, if they import it and it is the runtime's: otherwise they would wait for nothing.
    """
    managed = [member for member in plan.members if not member.image]
    overridden = any(
        name in _BENEATH or name.startswith(_FAMILIES) for name in prepared.distributions
    )
    return prepared.imports if len(managed) > _MANY and not overridden else ()


def as_snake_case(message: msgspec.Struct) -> dict[str, Any]:
    """A message as the service's runner sees it: proto3 JSON in snake_case, defaults missing.

    So 64-bit integers are strings: ``"worker_count": "4"`` (service reference §4.4).
    """
    kind = message_of(type(message))
    known = {snake: field for snake, (_, field) in names(kind).items()}
    defaults = type(message)()
    return {
        name: str(value) if known[name].type == "int64" else _plain(value)
        for name in message.__struct_fields__
        if (value := getattr(message, name)) != getattr(defaults, name)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return as_snake_case(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def training_replica(
    job: Job, prepared: Prepared, member: Member, name: str, place: Place, share: Share
) -> Replica:
    """Describe the process of one member of a job; ``name`` is its key within the site."""
    spec = job.training_input or TrainingInput()
    task, equipment = member.task, share.equipment
    email = spec.service_account or service_account(place.project_number)
    replica = Replica(
        name=name,
        task=task.label,
        argv=(),
        env=_told(job, spec, task, place) | equipment.variables,
        isolation=place.isolation,
        network=Network(
            Identity(Kind.JOB, place.project_id, job.job_id, email), allow_hosts=place.allow_hosts
        ),
        memory_bytes=share.limit.memory_bytes,
        disk_bytes=share.limit.disk_bytes,
        cpus=share.limit.cpus,
        gpus=equipment.gpus,
        hostname=member.host if member.host in place.hosts else "",
        image=member.image or prepared.image,
    )
    if member.image:
        return _own(replica, member, spec)
    return _managed(replica, prepared, spec, share)


def _told(job: Job, spec: TrainingInput, task: Task, place: Place) -> dict[str, str]:
    return variables(
        job.job_id,
        as_snake_case(spec),
        training_argv(spec),
        task,
        cluster=place.cluster,
        project_number=str(place.project_number),
    )


def _managed(replica: Replica, prepared: Prepared, spec: TrainingInput, share: Share) -> Replica:
    """The module, run by the runtime's Python as the service's runner does."""
    equipment = share.equipment
    env = {
        "HOME": "/root",
        "USER": "root",
        "LOGNAME": "root",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PATH": ":".join([*prepared.programs, SYSTEM_PATH]),
        "PYTHONPATH": ":".join((*prepared.python_path, *equipment.python_path)),
        "CMLE_SITE_PACKAGES": ":".join(prepared.site_packages),
        "OMP_NUM_THREADS": str(share.cpus),
        **MKL,
        **share.threads,
        **replica.env,
        **prepared.variables,
    }
    return msgspec.structs.replace(
        replica,
        argv=(prepared.python, "-m", spec.python_module, *training_argv(spec)),
        env=env,
        binds=(*prepared.binds, *equipment.binds),
        preload=share.preload,
    )


def _own(replica: Replica, member: Member, spec: TrainingInput) -> Replica:
    """The user's own image: its program or theirs, ``$(NAME)`` replaced as Kubernetes does."""
    command = tuple(_expanded(text, replica.env) for text in member.command)
    args = tuple(_expanded(text, replica.env) for text in member.args)
    args = (*args, *training_argv(spec))
    if command:
        return msgspec.structs.replace(replica, argv=(*command, *args))
    return msgspec.structs.replace(replica, args=args)


def _expanded(text: str, env: dict[str, str]) -> str:
    """``$(NAME)`` becomes the variable, ``$$`` a dollar; an unknown name stays as it is."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else env.get(found[2], found[0])

    return _REFERENCE.sub(value, text)
