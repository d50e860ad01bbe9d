"""A check from its beginning: the request, the evidence, a run if it is wanted, the rules."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from emulator import catalog, isolation
from emulator.checks import request, verdict
from emulator.checks.choices import Choices
from emulator.checks.gather import Settings, gather
from emulator.checks.sources import Subject
from emulator.cluster import Isolation
from emulator.comparison import Tolerance
from emulator.errors import OperatorError
from emulator.exports.check import keep
from emulator.findings import Report, Severity
from emulator.kept import Kept
from emulator.package_index import PackageIndex
from emulator.progress import Progress, Step
from emulator.runtimes import Runtimes

NOT_RUN: Final = "The run: it is not begun where the look at the package finds errors."


def look(choices: Choices, subject: Subject, progress: Progress) -> Report:
    """The verdict; OperatorError where a run is wanted and cannot be made."""
    level = isolation.choose(choices.isolation)
    if choices.run and level == "none" and choices.isolation != "none":
        raise OperatorError(
            "The job is not run: processes cannot be isolated on this machine. "
            "--isolation none runs it all the same."
        )
    asked = request.read(
        choices.config, str(choices.config or ""), choices.training, catalog.load(choices.catalog)
    )
    asked = msgspec.structs.replace(asked, bucket_locations=choices.bucket_locations)
    with tempfile.TemporaryDirectory(prefix="cmle-built-") as folder:
        built = Path(folder)
        settings = _settings(choices, level, built)
        evidence = asyncio.run(gather(subject, asked, settings, progress))
        report = verdict.judge(evidence, choices.ignored)
        if choices.run is None:
            return report
        if report.worst is Severity.ERROR:
            return msgspec.structs.replace(report, not_checked=(*report.not_checked, NOT_RUN))
        from emulator.checks.running import run  # noqa: PLC0415 - an emulator, and its clients

        archives = [subject.archive] if subject.archive else sorted(built.iterdir())
        done = run(evidence, archives, choices, progress)
    if choices.run.golden_file and done.export:
        count = keep(done.export, choices.run.golden_file, Tolerance())
        text = f"wrote {count} predictions to {choices.run.golden_file}: look at them"
        progress(Step("run", text))
    return verdict.judge(msgspec.structs.replace(evidence, run=done), choices.ignored)


def _settings(choices: Choices, level: Isolation, built: Path) -> Settings:
    index = (
        PackageIndex.of_wheelhouse(choices.wheelhouse)
        if choices.wheelhouse
        else PackageIndex.of_user(choices.environment)
    )
    return Settings(
        runtimes=Runtimes(
            choices.cache_dir,
            index=index,
            environment=choices.environment,
            policy=choices.runtime_policy,
        ),
        index=index,
        environment=choices.environment,
        isolation=level,
        imports=level == "namespaces" or choices.isolation == "none",
        deadline_s=choices.deadline_s,
        built=built,
        kept=Kept(choices.cache_dir / "installed"),
    )
