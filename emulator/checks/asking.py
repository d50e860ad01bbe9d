"""The model that a run left: read, deployed as a version, and asked."""

import asyncio
import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator import skew
from emulator.checks import exported
from emulator.checks.choices import RunChoices
from emulator.checks.evidence import Run
from emulator.client import Client
from emulator.comparison import not_finite
from emulator.errors import OperatorError
from emulator.exports import requests
from emulator.exports.check import is_deployable, refused
from emulator.exports.evidence import Answer, Evidence, Serving, Wishes
from emulator.exports.folders import BucketFolder
from emulator.exports.gather import Question, gather
from emulator.exports.serving import Ask, Session, asked
from emulator.progress import Progress, Step
from emulator.rest import Refused
from emulator.skew import Recorded
from emulator.versions import Deployed, Versions

MODEL: Final = "checked"
RECORDING: Final = ".jsonl"
MOST_RECORDED: Final = 1000  # rows
_LARGEST: Final = 16 << 20
REFUSED: Final = (
    "Predictions: no --instances were given, and those that were made up of the signature are "
    "refused: {}"
)
UNKNOWN: Final = (
    "Predictions: no --instances were given, and the signature does not tell how to make some up."
)
MADE: Final = (
    "Predictions of real rows: no --instances were given, so two were made up of the signature."
)


def ask(
    run: Run, client: Client, job: Mapping[str, Any], chosen: RunChoices, progress: Progress
) -> Run:
    """The run with what is known of the newest model that it left."""
    model = exported.newest(run.written, run.job_dir)
    if model is None:
        return run
    run = msgspec.structs.replace(run, model=model.folder)
    if not model.framework:
        return run
    progress(Step("run", f"looking at {model.folder}"))
    with tempfile.TemporaryDirectory(prefix="cmle-export-") as folder:
        training = job["trainingInput"]
        question = Question(
            version=training["runtimeVersion"], python_version=training["pythonVersion"]
        )
        evidence = gather(BucketFolder(client, model.folder, Path(folder)), question)
    if evidence.framework != "tensorflow":
        return msgspec.structs.replace(run, export=evidence)
    if not is_deployable(evidence):
        return msgspec.structs.replace(run, export=refused(evidence))
    return _served(run, evidence, client, chosen, progress)


def _served(
    run: Run, evidence: Evidence, client: Client, chosen: RunChoices, progress: Progress
) -> Run:
    progress(Step("run", f"deploying {run.model}"))
    versions, target = Versions(client, MODEL), evidence.target
    fields = {"runtimeVersion": target.version, "pythonVersion": target.python}
    try:
        deployed = versions.deploy(run.model, fields)
    except Refused as refused:
        serving = Serving(failure=refused.message)
        return msgspec.structs.replace(run, export=_with(evidence, serving))
    progress(Step("run", "asking for predictions"))
    wishes = Wishes(golden=chosen.golden, recorded=recorded(client, run))
    serving, notes = asyncio.run(_asked(_asker(client, deployed), evidence, chosen, wishes))
    notes = (*run.not_checked, *notes)
    return msgspec.structs.replace(run, export=_with(evidence, serving), not_checked=notes)


def _with(evidence: Evidence, serving: Serving) -> Evidence:
    return msgspec.structs.replace(evidence, serving=serving)


def _asker(client: Client, deployed: Deployed) -> Ask:
    async def ask_version(instances: Sequence[Any]) -> Answer:
        request = {"instances": list(instances)}
        try:
            document = client.predict(deployed.model, deployed.version, request)
        except Refused as refused:
            error = {"error": refused.message}
            return Answer(instances=tuple(instances), status=refused.code, document=error)
        return Answer(instances=tuple(instances), status=200, document=document)

    return ask_version


async def _asked(
    ask_version: Ask, evidence: Evidence, chosen: RunChoices, wishes: Wishes
) -> tuple[Serving, tuple[str, ...]]:
    """What the version answers; and what nobody could ask it."""
    notes: tuple[str, ...] = ()
    instances: Sequence[Any] = chosen.instances
    if not instances and chosen.golden:
        instances = chosen.golden.instances
    if not instances:
        instances, note = await _made_up(ask_version, evidence)
        notes = (note,)
    return await asked(ask_version, evidence, Session(instances=instances, wishes=wishes)), notes


async def _made_up(ask_version: Ask, evidence: Evidence) -> tuple[list[Any], str]:
    """Instances that the signature allows and the model answers, and a note on them."""
    signature = requests.chosen(evidence.signatures, "")
    made = requests.made(signature) if signature else []
    if not made:
        return [], UNKNOWN
    for instance in made:
        answer = await ask_version([instance])
        if answer.predictions is None or list(not_finite(answer.predictions)):
            return [], REFUSED.format(answer.error or "a prediction is no number.")
    return made, MADE


def recorded(client: Client, run: Run) -> tuple[Recorded, ...]:
    """The predictions that training recorded below the job's folder, if it did."""
    for uri, size in run.written.items():
        if uri.endswith(RECORDING) and size <= _LARGEST and exported.is_below(uri, run.job_dir):
            text = client.storage.download(uri).decode("utf-8", "replace")
            with contextlib.suppress(OperatorError):  # other lines of JSON
                return skew.parse(text, uri)[:MOST_RECORDED]
    return ()
