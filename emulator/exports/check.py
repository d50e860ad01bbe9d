"""One check of an export from its place to the report: read, perhaps served, judged."""

import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from emulator import golden
from emulator.comparison import Tolerance
from emulator.deployment import flaw
from emulator.errors import OperatorError
from emulator.exports.evidence import Evidence
from emulator.exports.folders import Folder
from emulator.exports.gather import Question, gather
from emulator.exports.verdict import judge
from emulator.findings import Report
from emulator.golden import Golden

if TYPE_CHECKING:
    from emulator.exports.serving import Session, Settings
    from emulator.progress import Progress

NOT_DEPLOYED: Final = "Serving: the service would have refused to deploy it before that."


def examine(folder: Folder, question: Question, *, ignored: Collection[str] = ()) -> Report:
    """The verdict on an export by its files alone."""
    began = time.perf_counter()
    evidence = gather(folder, question)
    return judge(evidence, ignored=ignored, seconds=time.perf_counter() - began)


def ask(
    folder: Folder,
    question: Question,
    session: "Session",
    settings: "Settings",
    progress: "Progress",
) -> Evidence:
    """What is known of an export after it was served; it is not if it would not be deployed."""
    from emulator.exports.serving import serve  # noqa: PLC0415 - half of the emulator

    evidence = gather(folder, question)
    if evidence.framework in {"scikit-learn", "xgboost"}:
        return evidence
    if not is_deployable(evidence):
        return refused(evidence)
    return serve(evidence, folder.local(lambda _: True), session, settings, progress)


def is_deployable(evidence: Evidence) -> bool:
    """Whether a SavedModel gets as far as the server that loads it."""
    model = evidence.model
    return model is not None and evidence.served is not None and flaw(model) is None


def refused(evidence: Evidence) -> Evidence:
    """What is known of a SavedModel that gets no further."""
    return msgspec.structs.replace(evidence, not_checked=(*evidence.not_checked, NOT_DEPLOYED))


def keep(evidence: Evidence, file: Path, tolerance: Tolerance) -> int:
    """Write a golden file of what a served export answered; how many predictions it has.

    OperatorError if they were not answered.
    """
    batch = evidence.serving.batch if evidence.serving else None
    if batch is None or batch.predictions is None:
        raise OperatorError(
            f"{file} is not written: the instances were not answered. "
            f"{batch.error if batch else 'Run without --update-golden to see why.'}"
        )
    golden.write(file, Golden(list(batch.instances), batch.predictions, tolerance))
    return len(batch.predictions)
