"""What the service says to who asks for more than a project has."""

from typing import Final

from emulator import texts
from emulator.errors import ResourceExhausted
from emulator.resources import Job, TrainingInput

_OF_NEW_PROJECTS: Final = (
    "0 A100, 0 K80, 0 P100, 0 P4, 0 T4, 0 TPU_V2, 0 TPU_V2_POD, 0 TPU_V3, 0 TPU_V3_POD, 0 V100"
    " accelerators"
)


def of_jobs(project_id: str, job: Job) -> ResourceExhausted:
    """429: the accelerators of this job are more than a new project has."""
    spec = job.training_input or TrainingInput()
    configs = (spec.master_config, spec.worker_config, spec.parameter_server_config)
    asked = [
        config.accelerator_config
        for config in configs
        if config is not None and config.accelerator_config is not None
    ]
    count = asked[0].count if asked else 1
    kind = asked[0].type.removeprefix("NVIDIA_").removeprefix("TESLA_") if asked else "K80"
    text = (
        f"The request for {count} {kind} accelerators exceeds the allowed maximum of "
        f"{_OF_NEW_PROJECTS}."
    )
    return ResourceExhausted(
        f"Quota failure for project {project_id}. {text} To read more about Cloud ML Engine "
        "quota, see https://cloud.google.com/ml-engine/quotas.",
        [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"subject": project_id, "description": text}],
            }
        ],
    )


def of_predictions(project_number: int) -> ResourceExhausted:
    """429: more online predictions in a minute than a project may ask for."""
    return ResourceExhausted(texts.prediction_quota(project_number))
