"""TF_CONFIG, CLUSTER_SPEC and the other variables of a replica (service reference §4.3 to §4.5)."""

import json
from typing import Any, Final

import msgspec

LOCAL_ADDRESS: Final = "127.0.0.1:2222"
TENANT_PROJECT: Final = "w{number}-ml"


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


def variables(
    job_id: str,
    job: dict[str, Any],
    argv: list[str],
    task: Task,
    *,
    cluster: dict[str, list[str]],
    project_number: str,
) -> dict[str, str]:
    """The environment of one replica.

    ``job`` is the TrainingInput in snake_case without defaults; ``cluster`` has the key
    ``master``, which TF_CONFIG calls ``chief`` where the runtime does.
    """
    chief = primary(job.get("runtime_version", "1.0"))
    named = {chief if role == "master" else role: hosts for role, hosts in cluster.items()}
    place: dict[str, Any] = {"type": task.type, "index": task.index}
    if task.trial:
        place["trial"] = task.trial
    described = {**job, "run_on_raw_vm": True}
    if job.get("args"):  # the service's runner appends to the very list that it shows
        described["args"] = argv
    tf_config = {
        "cluster": named,
        "task": {
            **place,
            "type": chief if task.type == "master" else task.type,
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
        "KMP_BLOCKTIME": "0",
        "KMP_AFFINITY": "granularity=fine,verbose,compact,1,0",
        "KMP_SETTINGS": "1",
    }
