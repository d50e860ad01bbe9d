"""The whole of a check: what was decided before, else evidence, rules and a report."""

import importlib
import time
from pathlib import Path

import msgspec

from emulator.checks import cache, sources
from emulator.checks.choices import Choices
from emulator.findings import Report
from emulator.progress import Progress, silent


def check(choices: Choices, progress: Progress = silent) -> Report:
    """Answer the verdict; an unchanged package's comes from the cache, but never that of a run."""
    subject = sources.find(choices.subject)
    began = time.monotonic()
    kept = cache.Cache(choices.cache_dir / "checks")
    key = cache.key(subject.archive or subject.root, inputs(choices, subject))
    is_kept = choices.use_cache and choices.run is None
    if is_kept and (known := kept.find(key)):
        return msgspec.structs.replace(known, seconds=time.monotonic() - began)
    # An unchanged package is answered without it and all that it needs.
    look = importlib.import_module("emulator.checks.looking").look
    report: Report = look(choices, subject, progress)
    report = msgspec.structs.replace(report, seconds=time.monotonic() - began)
    if is_kept and not any("could not be reached" in it for it in report.not_checked):
        kept.keep(key, report)
    return report


def inputs(choices: Choices, subject: sources.Subject) -> list[str]:
    """What a verdict depends on, beside the package."""
    config = choices.config
    plain = {
        "training": choices.training,
        "locations": choices.bucket_locations,
        "ignored": choices.ignored,
        "isolation": choices.isolation,
        "policy": choices.runtime_policy,
        "deadline": choices.deadline_s,
        "wheelhouse": str(choices.wheelhouse or ""),
        "config": str(config or ""),
        "catalog": str(choices.catalog or ""),
    }
    files = [config] if config and config.is_file() else []
    files += sorted(choices.catalog.glob("*.toml")) if choices.catalog else []
    texts = [path.read_text(errors="replace") for path in files]
    return [str(subject.root), subject.package, str(Path.cwd()), repr(plain), *texts]
