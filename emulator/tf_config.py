"""TF_CONFIG, CLUSTER_SPEC and the other variables of a replica (service reference §4.3 to §4.5)."""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

LOCAL_ADDRESS: Final = "127.0.0.1:2222"
TENANT_PROJECT: Final = "w{number}-ml"
MKL: Final = {  # of the user's process in a managed image
    "KMP_BLOCKTIME": "0",
    "KMP_AFFINITY": "granularity=fine,verbose,compact,1,0",
    "KMP_SETTINGS": "1",
}


class Task(msgspec.Struct, frozen=True):
    """A replica's place in its job: ``type`` as logs name it (master, worker, ps, evaluator)."""

    type: str = "master"
    index: int = 0
    trial: str = ""

    @property
    def label(self) -> str:
        """``master-replica-0``: the name in log entries."""
        return f"{self.type}-replica-{self.index}"


def primary(runtime_version: str) -> str:
    """``master`` up to runtime 1.15, ``chief`` from 2.1 on."""
    return "master" if int(runtime_version.split(".", maxsplit=1)[0]) < 2 else "chief"  # noqa: PLR2004


def primary_of(job: Mapping[str, Any]) -> str:
    """What TF_CONFIG calls the primary: by the runtime, or as a job with its own image says."""
    if version := job.get("runtime_version"):
        return primary(version)
    return "chief" if job.get("use_chief_in_tf_config") else "master"


def user_args(
    args: tuple[str, ...], job_dir: str, hyperparameters: dict[str, str] | None = None
) -> list[str]:
    """What the module gets: its own arguments, each hyperparameter, then ``--job-dir DIR``."""
    argv = list(args)
    for name, value in (hyperparameters or {}).items():
        argv += [f"--{name}", value]
    if job_dir:
        argv += ["--job-dir", job_dir]
    return argv


def named(cluster: Mapping[str, list[str]], job: Mapping[str, Any]) -> dict[str, list[str]]:
    """The cluster as TF_CONFIG has it: ``chief`` in place of ``master`` where the job's is one."""
    chief = primary_of(job)
    return {chief if role == "master" else role: hosts for role, hosts in cluster.items()}


def variables(
    job_id: str,
    job: dict[str, Any],
    argv: list[str],
    task: Task,
    *,
    cluster: dict[str, list[str]],
    project_number: str,
) -> dict[str, str]:
    """What every replica has in its environment, of a managed image or of the user's own.

    ``job`` is the TrainingInput in snake_case without defaults; ``cluster`` has the key
    ``master``, which TF_CONFIG calls ``chief`` where the runtime does.
    """
    place: dict[str, Any] = {"type": task.type, "index": task.index}
    if task.trial:
        place["trial"] = task.trial
    described = {**job, "run_on_raw_vm": True}
    if job.get("args"):  # the service's runner appends to the very list that it shows
        described["args"] = argv
    tf_config = {
        "cluster": named(cluster, job),
        "task": {
            **place,
            "type": primary_of(job) if task.type == "master" else task.type,
            "cloud": TENANT_PROJECT.format(number=project_number),
        },
        "job": described,
        "environment": "cloud",
    }
    spec = {"cluster": cluster, "task": place, "environment": "cloud", "job": described}
    return {
        "TF_CONFIG": json.dumps(tf_config),
        "CLUSTER_SPEC": json.dumps(spec),
        "CLOUD_ML_JOB_ID": job_id,
        "CLOUD_ML_TRIAL_ID": task.trial,
        "CLOUD_ML_HP_METRIC_TAG": "",
        "CLOUD_ML_HP_METRIC_FILE": "/tmp/hypertune/output.metrics",  # noqa: S108 the service's path
        "CLOUD_ML_LOG_LEVEL": "INFO",
    }
