"""The replica of a training job: its command, its environment and what it sees."""

import os
import shlex
from typing import Any, Final

import msgspec

from emulator.cluster import Bind, Isolation, Network, Replica
from emulator.identity import Identity, Kind
from emulator.resources import Job, TrainingInput
from emulator.tf_config import LOCAL_ADDRESS, Task, user_args, variables

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Prepared(msgspec.Struct, frozen=True):
    """What a job runs with: an interpreter, and the folders that its packages are in.

    ``binds`` are the read-only folders that a replica needs to see for them, ``image`` the
    container image that has the interpreter, where the runner runs images.
    """

    python: str
    image: str = ""
    binds: tuple[Bind, ...] = ()
    site_packages: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    variables: dict[str, str] = {}


class Place(msgspec.Struct, frozen=True):
    """Where a replica process of a job runs."""

    name: str
    task: Task
    isolation: Isolation
    project_id: str
    project_number: int
    allow_hosts: tuple[str, ...] = ()


def training_argv(spec: TrainingInput) -> list[str]:
    """What the module gets, in the service's order."""
    return user_args(spec.args, spec.job_dir)


def command_line(spec: TrainingInput) -> str:
    """The line that the service's log shows for the module."""
    return shlex.join(["python3", "-m", spec.python_module, *training_argv(spec)])


def service_account(project_number: int) -> str:
    """The account that a job runs as, unless it names another."""
    return f"{project_number}-compute@developer.gserviceaccount.com"


def as_snake_case(message: msgspec.Struct) -> dict[str, Any]:
    """A message as the service's runner sees it: snake_case, defaults missing, lists."""
    defaults = type(message)()
    return {
        name: _plain(value)
        for name in message.__struct_fields__
        if (value := getattr(message, name)) != getattr(defaults, name)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return as_snake_case(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def training_replica(job: Job, prepared: Prepared, place: Place) -> Replica:
    """Describe the process of a single-replica job."""
    spec = job.training_input or TrainingInput()
    argv = training_argv(spec)
    env = {
        "HOME": "/root",
        "USER": "root",
        "LOGNAME": "root",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PATH": ":".join([*prepared.programs, SYSTEM_PATH]),
        "PYTHONPATH": ":".join(prepared.python_path),
        "CMLE_SITE_PACKAGES": ":".join(prepared.site_packages),
        "OMP_NUM_THREADS": str(os.cpu_count() or 1),
        **variables(
            job.job_id,
            as_snake_case(spec),
            argv,
            place.task,
            cluster={"master": [LOCAL_ADDRESS]},
            project_number=str(place.project_number),
        ),
        **prepared.variables,
    }
    email = spec.service_account or service_account(place.project_number)
    return Replica(
        name=place.name,
        task=place.task.label,
        argv=(prepared.python, "-m", spec.python_module, *argv),
        env=env,
        image=prepared.image,
        binds=prepared.binds,
        isolation=place.isolation,
        network=Network(
            Identity(Kind.JOB, place.project_id, job.job_id, email), allow_hosts=place.allow_hosts
        ),
    )
