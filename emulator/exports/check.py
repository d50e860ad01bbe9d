"""One check of an export from its place to the report: read, perhaps served, judged."""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from emulator.deployment import flaw
from emulator.exports.evidence import Evidence
from emulator.exports.folders import Folder
from emulator.exports.gather import Question, gather
from emulator.exports.verdict import judge
from emulator.findings import Report

if TYPE_CHECKING:
    from emulator.exports.serving import Session, Settings
    from emulator.progress import Progress


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
    if evidence.model is None or evidence.served is None or flaw(evidence.model):
        text = "Serving: the service would have refused to deploy it before that."
        return msgspec.structs.replace(evidence, not_checked=(*evidence.not_checked, text))
    return serve(evidence, folder.local(lambda _: True), session, settings, progress)
