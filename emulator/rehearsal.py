"""What one test does at an emulator: its bucket, its jobs, its versions, and the way back."""

import contextlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from emulator import runtime_versions
from emulator.builds import built
from emulator.client import Client
from emulator.engine import Engine
from emulator.errors import OperatorError
from emulator.names import GcsUri
from emulator.outcome import Outcome, read_saved_model, saved_models, wait
from emulator.rest import Refused
from emulator.savedmodel import SavedModel
from emulator.states import JobState
from emulator.submission import Code, submit
from emulator.versions import Deployed, Versions

TIMEOUT_S: Final = 900.0  # the first job of a runtime version makes its environment
CANCEL_S: Final = 60.0
REGION: Final = "us-central1"
RUNTIME_VERSION: Final = "2.11"
PYTHON_VERSION: Final = "3.7"
RUNTIME_FIELDS: Final = ("runtimeVersion", "pythonVersion")
OBJECTS: Final = 20  # shown of a folder without a model
LINES: Final = 60  # shown of a job's log


class Rehearsal:
    """``with Rehearsal(engine) as rehearsal: rehearsal.submit(…)``: afterwards nothing is left.

    A bucket is made when it is first used. ``defaults`` are fields of ``trainingInput``, in
    snake_case, for every submission. With ``is_kept`` everything stays where it is, for a
    person to look at; only what still runs is ended.
    """

    def __init__(
        self,
        engine: Engine,
        name: str = "rehearsal",
        *,
        project: str = "",
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.project = project or engine.project
        self.is_kept = False
        self._engine = engine
        self._name = re.sub(r"[^A-Za-z0-9]+", "_", name)[:80].strip("_") or "rehearsal"
        if not self._name[0].isalpha():
            self._name = f"t_{self._name}"
        self._defaults = dict(defaults or {})
        self._buckets: list[str] = []
        self._jobs: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def client(self) -> Client:
        return self._engine.client(self.project)

    @cached_property
    def bucket(self) -> str:
        """The name of a bucket that nobody else has."""
        name = f"cmle-{secrets.token_hex(8)}"
        self.client.storage.create(name)
        self._buckets.append(name)
        return name

    @cached_property
    def versions(self) -> Versions:
        return Versions(self.client, self._name[:60])

    def start(self, folder: Path | str, args: Sequence[str] = (), **choices: Any) -> str:
        """Submit the trainer in ``folder`` and answer the job's id at once.

        ``folder`` is a package (with ``__init__.py``), or holds one. The module is ``task`` in
        it, unless ``choices`` say otherwise: fields of ``trainingInput`` in snake_case.
        """
        package = package_of(Path(folder))
        archives = tuple(map(str, built(package, self._engine.data_dir / "built")))
        job_id = f"{self._name}_{secrets.token_hex(4)}"
        chosen = {"python_module": f"{package.name}.task", **self._defaults, **choices}
        job = described(job_id, self.bucket, args, chosen)
        self._jobs.append(job_id)
        submit(self.client, job, Code(packages=archives, staging_bucket=f"gs://{self.bucket}"))
        return job_id

    def wait(self, job_id: str, *, timeout_s: float = TIMEOUT_S) -> Outcome:
        """Wait for the end of any job of the project."""
        return wait(self.client, job_id, timeout_s=timeout_s)

    def submit(
        self,
        folder: Path | str,
        args: Sequence[str] = (),
        *,
        timeout_s: float = TIMEOUT_S,
        **choices: Any,
    ) -> Outcome:
        """``start``, then ``wait``."""
        return self.wait(self.start(folder, args, **choices), timeout_s=timeout_s)

    def logs(self, job_id: str) -> list[str]:
        """The lines of a job's log so far, oldest first."""
        return [entry.text for entry in self.client.entries(job_id)]

    def saved_model(self, source: Outcome | str) -> SavedModel:
        """What ``saved_model_uri`` names, read without its variables and without TensorFlow."""
        return read_saved_model(self.client, self.saved_model_uri(source))

    def saved_model_uri(self, source: Outcome | str) -> str:
        """The newest SavedModel below a job's folder, or below a gs:// folder.

        AssertionError, with what is there instead, if there is none.
        """
        folder = source if isinstance(source, str) else source.job_dir
        if found := saved_models(self.client, folder):
            return found[-1]
        there = [str(entry["name"]) for entry in self.client.storage.objects(folder)]
        text = "".join(f"\n  {name}" for name in there[:OBJECTS]) or " nothing"
        if isinstance(source, Outcome):
            text += f"\njob {source.job_id} is {source.state}; the end of its log:\n"
            text += source.last_lines()
        raise AssertionError(f"expected a SavedModel below {folder}, found:{text}")

    def deploy(
        self, source: Outcome | Path | str, *, model: str = "", version: str = "v1", **fields: Any
    ) -> Deployed:
        """Deploy what a job exported, a gs:// folder or a local one; wait until it answers.

        ``fields`` are those of a Version in snake_case; the runtime version is the job's unless
        they say otherwise. Refused, with the signatures found, if it cannot serve.
        """
        trained = source.job.get("trainingInput", {}) if isinstance(source, Outcome) else {}
        runtime = {name: trained[name] for name in RUNTIME_FIELDS if name in trained}
        given = {_camel(name): value for name, value in fields.items()}
        chosen = with_runtime({**_of_runtime(self._defaults), **runtime, **given})
        return self.versions.deploy(self._origin(source), chosen, model=model, version=version)

    def _origin(self, source: Outcome | Path | str) -> str:
        if isinstance(source, Outcome):
            return self.saved_model_uri(source)
        if str(source).startswith("gs://"):
            return str(source)
        folder = Path(source)
        if not folder.is_dir():
            raise OperatorError(f"{folder} is not a folder, so there is no model to deploy in it.")
        target = str(GcsUri.parse(f"gs://{self.bucket}") / "models" / secrets.token_hex(4))
        self.client.storage.upload_folder(target, folder)
        return target

    def traces(self) -> list[str]:
        """What there is of it, in words: buckets, jobs, versions."""
        versions = self.versions.deployed if "versions" in self.__dict__ else []
        return [
            *(f"bucket gs://{name}" for name in self._buckets),
            *(f"job {job_id}" for job_id in self._jobs),
            *(f"version {deployed}" for deployed in versions),
        ]

    def close(self) -> None:
        """End what runs; take the versions back and remove the bucket, unless all is kept."""
        with contextlib.ExitStack() as closing:
            if "client" in self.__dict__:
                closing.callback(self.client.close)
            if not self.is_kept:
                for name in self._buckets:
                    closing.callback(self.client.storage.remove, name)
                if "versions" in self.__dict__:
                    closing.callback(self.versions.close)
            for job_id in self._jobs:
                closing.callback(self._end, job_id)

    def _end(self, job_id: str) -> None:
        try:
            job = self.client.job(job_id)
        except Refused:
            return  # it was refused when it was submitted
        if not JobState(job["state"]).is_terminal:
            self.client.cancel_job(job_id)
            self.client.wait_job(job_id, timeout_s=CANCEL_S)


def described(
    job_id: str, bucket: str, args: Sequence[str], choices: Mapping[str, Any]
) -> dict[str, Any]:
    """A Job of ``choices``, fields of ``trainingInput`` in snake_case."""
    training = {
        "region": REGION,
        "jobDir": f"gs://{bucket}/{job_id}",
        "args": list(args),
        **with_runtime({_camel(name): value for name, value in choices.items()}),
    }
    return {"jobId": job_id, "trainingInput": training}


def with_runtime(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Name a runtime version where none is, and the newest Python that it had."""
    version = str(fields.get("runtimeVersion") or RUNTIME_VERSION)
    known = runtime_versions.shipped().runtimes.get(version)
    python = known.python[-1] if known else PYTHON_VERSION
    return {"pythonVersion": python, **fields, "runtimeVersion": version}


def evidence(client: Client, since: float) -> Iterator[tuple[str, str]]:
    """Of each job made since then (seconds since the epoch) that did not succeed: name and log."""
    from_here = datetime.fromtimestamp(int(since), UTC)
    for job in client.jobs():
        if datetime.fromisoformat(job["createTime"]) < from_here:
            return
        if job["state"] == JobState.SUCCEEDED:
            continue
        found = Outcome(job, tuple(client.entries(job["jobId"])))
        message = f"errorMessage: {found.error_message}\n" if found.error_message else ""
        left_out = len(found.entries) - LINES
        above = f"  ({left_out} lines before)\n" if left_out > 0 else ""
        yield f"cmle job {found.job_id}: {found.state}", message + above + found.last_lines(LINES)


def rehearse(
    client: Client,
    folder: Path | str,
    args: Sequence[str] = (),
    *,
    bucket: str,
    job_id: str,
    **choices: Any,
) -> Outcome:
    """Submit the trainer in ``folder`` under a name of the caller's and wait for its end.

    ``choices`` as those of ``Rehearsal.start``, and ``timeout_s``.
    """
    timeout_s = choices.pop("timeout_s", TIMEOUT_S)
    package = package_of(Path(folder))
    job = described(job_id, bucket, args, {"python_module": f"{package.name}.task", **choices})
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


def _of_runtime(defaults: Mapping[str, Any]) -> dict[str, Any]:
    named = {_camel(name): value for name, value in defaults.items()}
    return {name: named[name] for name in RUNTIME_FIELDS if name in named}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
