"""A trainer run once for a test: packaged, submitted, awaited."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from emulator.client import Client
from emulator.errors import OperatorError
from emulator.outcome import Outcome, wait
from emulator.submission import Code, submit

TIMEOUT_S: Final = 900.0  # the first job of a runtime version makes its environment
DEFAULTS: Final = {"region": "us-central1", "runtimeVersion": "2.11", "pythonVersion": "3.7"}


def rehearse(
    client: Client,
    folder: Path | str,
    args: Sequence[str] = (),
    *,
    bucket: str,
    job_id: str,
    **choices: Any,
) -> Outcome:
    """Submit the trainer in ``folder`` and wait for its end.

    ``folder`` is a package (with ``__init__.py``), or holds one. The module is ``task``
    in it and the job's folder ``gs://BUCKET/JOB``, unless ``choices`` say otherwise:
    they are fields of ``trainingInput`` in snake_case (``python_module``, ``job_dir``,
    ``runtime_version``, ``scale_tier``, …), and ``timeout_s``.
    """
    timeout_s = choices.pop("timeout_s", TIMEOUT_S)
    package = package_of(Path(folder))
    training = {
        **DEFAULTS,
        "pythonModule": f"{package.name}.task",
        "jobDir": f"gs://{bucket}/{job_id}",
        "args": list(args),
        **{_camel(name): value for name, value in choices.items()},
    }
    job = {"jobId": job_id, "trainingInput": training}
    submit(client, job, Code(package_path=package, staging_bucket=f"gs://{bucket}"))
    return wait(client, job_id, timeout_s=timeout_s)


def package_of(folder: Path) -> Path:
    """The package that ``folder`` is or holds; ``trainer`` if it holds several."""
    if (folder / "__init__.py").is_file():
        return folder
    packages = sorted(path.parent for path in folder.glob("*/__init__.py"))
    named = [path for path in packages if path.name == "trainer"]
    if not named and len(packages) != 1:
        names = ", ".join(path.name for path in packages) or "none"
        raise OperatorError(
            f"{folder} should be a package or hold one; packages found in it: {names}. "
            "Name the folder that has the __init__.py."
        )
    return (named or packages)[0]


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
