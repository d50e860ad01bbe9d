"""A few steps of the job, run by an emulator that is there for it alone."""

import re
import shlex
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator import resources, tf_config
from emulator.checks import asking, exported, shortening, tracebacks
from emulator.checks.arguments import job_dir
from emulator.checks.choices import Choices, Data, RunChoices
from emulator.checks.evidence import Evidence, Run
from emulator.checks.gather import sample
from emulator.checks.packing import module_of
from emulator.client import Client, Entry
from emulator.embedded import Emulator
from emulator.errors import OperatorError
from emulator.logs import SERVICE
from emulator.names import GcsUri
from emulator.progress import Progress, Step
from emulator.resources import TrainingInput
from emulator.rest import Refused
from emulator.states import JobState
from emulator.submission import Code, submit

JOB_ID: Final = "checked"
STAGING: Final = "cmle-check-staging"
CANCEL_S: Final = 60.0
DATA_S: Final = 600.0  # for a command that writes data
PREPARE_S: Final = 1800.0  # an environment, or an image, may have to be made
_BEFORE: Final = {"", JobState.QUEUED, JobState.PREPARING}
_GRACE_S: Final = "5"
_KEPT_LINES: Final = 2000
_SHOWN_LINES: Final = 10
_OF_SERVICE: Final = (
    *("Isolation of this replica: ", "Running module ", "Running command: "),
    *("Module completed; cleaning up.", "Clean up finished.", "Task completed successfully."),
)
_URI: Final = re.compile(r"gs://[^\s,'\"]+")
_BUCKET: Final = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,61}[a-z0-9])")
_PATTERN: Final = re.compile(r"[*?\[{]")


class _Cut(Exception):
    """A deadline came before the end of the job."""

    def __init__(self, deadline_s: float) -> None:
        super().__init__()
        self.deadline_s = deadline_s


def run(evidence: Evidence, archives: Sequence[Path], choices: Choices, progress: Progress) -> Run:
    """Train, look at what is exported, deploy it and ask it; nothing of it is left.

    OperatorError where this emulator cannot run the job, or where data are not to be had.
    """
    chosen = choices.run or RunChoices()
    job, notes = job_of(evidence, choices)
    progress(Step("run", "starting an emulator"))
    with Emulator(options=_options(choices, chosen)) as emulator, emulator.client() as client:
        buckets = _prepare(client, job, chosen, progress)
        before = set(_objects(client, buckets))
        progress(Step("run", f"training: {' '.join(job['trainingInput']['args']) or 'no args'}"))
        packages = () if image(evidence.request.training) else tuple(map(str, archives))
        found = _train(client, job, packages, chosen.deadline_s, progress)
        written = {uri: n for uri, n in _objects(client, buckets).items() if uri not in before}
        seen = _seen(evidence, found, job, [*before, *written])
        seen = msgspec.structs.replace(
            seen,
            written=written,
            cut_s=found.cut_s,
            wants_model=bool(chosen.instances or chosen.golden or chosen.golden_file),
            not_checked=notes,
        )
        return asking.ask(seen, client, job, chosen, progress) if seen.is_done else seen


class _Found(msgspec.Struct, frozen=True):
    """The end of a job and of its log."""

    job: dict[str, Any]
    entries: tuple[Entry, ...]
    cut_s: float | None = None


def _options(choices: Choices, chosen: RunChoices) -> list[str]:
    options = ["--cache-dir", str(choices.cache_dir), "--isolation", choices.isolation]
    options += ["--runtime-policy", choices.runtime_policy, "--grace", _GRACE_S]
    if choices.wheelhouse:
        options += ["--wheelhouse", str(choices.wheelhouse)]
    if choices.catalog:
        options += ["--catalog", str(choices.catalog)]
    return [*options, *chosen.options]


def job_of(evidence: Evidence, choices: Choices) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The job that is run in place of the one that would be submitted, and how they differ."""
    training = evidence.request.training
    notes = []
    args = training.args
    if spec := training.hyperparameters:
        values = {it.parameter_name: sample(it) for it in spec.params}
        args = tuple(tf_config.user_args(args, "", values))
        given = " ".join(args[len(training.args) :])
        notes.append(f"Hyperparameter tuning: one trial was run, with {given}.")
    parser = evidence.probe.parser if evidence.probe else None
    few = shortening.shorten(args, parser, chosen=bool(choices.training.get("args")))
    notes += [_shortened(it) for it in few]
    training = msgspec.structs.replace(
        training,
        python_module="" if image(training) else module_of(evidence),
        hyperparameters=None,
        job_dir=job_dir(evidence),
        args=(*args, *(it.argument for it in few)),
    )
    document = {"args": [], **resources.encode(training)}
    return {"jobId": JOB_ID, "trainingInput": document}, tuple(notes)


def image(training: TrainingInput) -> str:
    """The container image that the job runs in place of packages; "" for none."""
    return training.master_config.image_uri if training.master_config else ""


def _shortened(few: shortening.Shortened) -> str:
    instead = f" instead of {few.instead}" if few.instead else ""
    return (
        f"Training to its end: it was run with {few.argument}{instead}; "
        f"`-- {few.flag}=N` chooses another number."
    )


def _prepare(
    client: Client, job: Mapping[str, Any], chosen: RunChoices, progress: Progress
) -> list[str]:
    """Make the buckets that the job names, with the data; answers their names."""
    named = _BUCKET.findall(
        " ".join([str(job["trainingInput"]), *(it.target for it in chosen.data)])
    )
    buckets = list(dict.fromkeys(named))
    for name in [*buckets, STAGING]:
        client.storage.create(name, exist_ok=True)
    for data in chosen.data:
        origin = f"what `{data.command}` makes" if data.command else str(data.path)
        progress(Step("run", f"uploading {origin} to {data.target}"))
        _upload(client, data)
    return buckets


def _upload(client: Client, data: Data) -> None:
    with tempfile.TemporaryDirectory(prefix="cmle-data-") as folder:
        path = data.path
        if path is None:
            path = Path(folder)
            made(data.command, path)
        if path.is_dir():
            if not client.storage.upload_folder(data.target, path):
                raise OperatorError(f"{data.command or path} gives no file for {data.target}.")
            return
        name = f"/{path.name}" if data.target.endswith("/") or _is_bucket(data.target) else ""
        client.storage.upload(data.target.rstrip("/") + name, path)


def _is_bucket(uri: str) -> bool:
    return not GcsUri.parse(uri).object


def made(command: str, folder: Path) -> None:
    """Run a command of the user's that writes data; OperatorError with its words if it fails."""
    argv = [word.replace("{}", str(folder)) for word in shlex.split(command)]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=DATA_S,
        )
    except OSError as error:
        raise OperatorError(f"`{command}` could not be started: {error.strerror}.") from error
    except subprocess.TimeoutExpired as error:
        raise OperatorError(
            f"`{command}` was ended after {DATA_S:g} s. Run it once beforehand, and give its "
            "folder to --data."
        ) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise OperatorError(f"`{command}` ended with status {done.returncode}. It said:\n{said}")


def _objects(client: Client, buckets: Sequence[str]) -> dict[str, int]:
    """Sizes by URI, the newest last."""
    found = [
        (str(entry.get("timeCreated", "")), f"gs://{name}/{entry['name']}", int(entry["size"]))
        for name in buckets
        for entry in client.storage.objects(f"gs://{name}/")
        if not str(entry["name"]).endswith("/")
    ]
    return {uri: size for _, uri, size in sorted(found)}


def _train(
    client: Client,
    job: Mapping[str, Any],
    archives: tuple[str, ...],
    deadline_s: float,
    progress: Progress,
) -> _Found:
    code = Code(packages=archives, staging_bucket=f"gs://{STAGING}")
    try:
        submit(client, job, code)
    except Refused as refused:
        raise OperatorError(f"This emulator cannot run the job: {refused.message}") from refused
    entries: deque[Entry] = deque(maxlen=_KEPT_LINES)
    try:
        for entry in _followed(client, deadline_s, progress):
            entries.append(entry)
            progress(Step(entry.task or SERVICE, entry.text))
    except _Cut as cut:
        client.cancel_job(JOB_ID)
        ended = client.wait_job(JOB_ID, timeout_s=CANCEL_S)
        return _Found(ended, tuple(entries), cut.deadline_s)
    return _Found(client.job(JOB_ID), tuple(entries))


def _followed(client: Client, deadline_s: float, progress: Progress) -> Iterator[Entry]:
    """The job's lines until its end; _Cut at a deadline. What prepares it has one of its own."""
    state, began = "", time.monotonic()

    def look(job: Mapping[str, Any]) -> None:
        nonlocal state, began
        if state != job["state"]:
            if state in _BEFORE and job["state"] not in _BEFORE:
                began = time.monotonic()
            state = job["state"]
            progress(Step("run", f"the job is {state}"))
        allowed_s = PREPARE_S if state in _BEFORE else deadline_s
        if time.monotonic() > began + allowed_s and not JobState(state).is_terminal:
            raise _Cut(allowed_s)

    for entry in client.follow(JOB_ID, seen=look):
        yield entry
        if time.monotonic() > began + deadline_s:
            look(client.job(JOB_ID))


def _seen(evidence: Evidence, found: _Found, job: Mapping[str, Any], objects: Sequence[str]) -> Run:
    """The run as far as the job and its log tell."""
    training = job["trainingInput"]
    args = tuple(training["args"])
    message = str(found.job.get("errorMessage", ""))
    folder = str(training.get("jobDir", ""))
    return Run(
        state=JobState(found.job["state"]),
        args=args,
        job_dir=folder,
        error_message=message,
        failure=tracebacks.failure(message, evidence.packed),
        last_lines=tuple(_lines(found.entries))[-_SHOWN_LINES:],
        differences=tuple(
            it.text for it in found.entries if it.task == SERVICE and it.severity == "WARNING"
        ),
        absent=tuple(absent(args, folder, objects)),
    )


def _lines(entries: Sequence[Entry]) -> Iterator[str]:
    """What replicas printed, and what was done to prepare them; else the service's own words."""
    shown = [it for it in entries if not it.text.startswith(_OF_SERVICE)]
    of_replicas = [it for it in shown if it.task not in {"", SERVICE}]
    for entry in of_replicas or shown:
        yield f"{entry.task or SERVICE}: {entry.text}"


def absent(args: Sequence[str], folder: str, objects: Sequence[str]) -> Iterator[str]:
    """The gs:// names among arguments, those below ``folder`` aside, that no object begins with."""
    for uri in dict.fromkeys(uri for arg in args for uri in _URI.findall(arg)):
        fixed = _PATTERN.split(uri)[0]
        is_own = bool(folder) and exported.is_below(uri.rstrip("/"), folder)
        if not is_own and not any(it.startswith(fixed) for it in objects):
            yield uri
