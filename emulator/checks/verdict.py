"""From evidence to a report: every rule, and what the user silenced."""

import re
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from emulator.checks.evidence import Evidence
from emulator.checks.packing import module_of
from emulator.checks.rules import Rule, every
from emulator.exports.verdict import judge as judge_export
from emulator.findings import Finding, Report

_IGNORE: Final = re.compile(r"#\s*cmle:\s*ignore\[([a-z0-9, -]+)\]\s*(.*)")


def judge(evidence: Evidence, silenced: Collection[str] = ()) -> Report:
    """Let every rule look; ``silenced`` are rules that are left out altogether."""
    comments = _comments(evidence)
    kept: list[Finding] = []
    hushed: list[Finding] = []
    rules = [rule for rule in every() if evidence.run or not rule.needs_run]
    for rule in rules:
        for finding in _of(rule, evidence):
            is_silent = rule.name in silenced or _is_ignored(finding, comments)
            (hushed if is_silent else kept).append(finding)
    export = _of_export(evidence, silenced)
    kept += export.findings
    kept.sort(key=lambda it: (it.level.rank, it.path, it.line, it.rule))
    request = evidence.request
    return Report(
        subject=f"{evidence.root}/{evidence.package}" if evidence.root else evidence.package,
        runtime=f"{request.training.runtime_version} (Python {request.training.python_version})",
        findings=tuple(dict.fromkeys(kept)),
        silenced=tuple(hushed),
        not_checked=(*_not_checked(evidence), *export.not_checked),
        rules=(*(rule.name for rule in rules), *export.rules),
    )


def _of_export(evidence: Evidence, silenced: Collection[str]) -> Report:
    """What the rules of ``cmle check-model`` say of the model that a run left."""
    export = evidence.run.export if evidence.run else None
    return judge_export(export, ignored=silenced) if export else Report(subject="", runtime="")


def _of(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    for finding in rule.check(evidence):
        severity = finding.severity or rule.severity
        yield msgspec.structs.replace(finding, rule=rule.name, severity=severity)


def _comments(evidence: Evidence) -> dict[tuple[str, int], set[str]]:
    """Rules silenced at a line: by a comment on it, or alone on the line before. Reasons count."""
    texts = {source.path: source.text for source in evidence.sources}
    texts[evidence.request.path] = evidence.request.text
    found: dict[tuple[str, int], set[str]] = {}
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            comment = _IGNORE.search(line)
            if comment is None or not comment[2].strip():
                continue
            alone = line.lstrip().startswith("#")
            names = {name.strip() for name in comment[1].split(",")}
            found.setdefault((path, number + alone), set()).update(names)
    return found


def _is_ignored(finding: Finding, comments: dict[tuple[str, int], set[str]]) -> bool:
    return finding.rule in comments.get((finding.path, finding.line), ())


def _not_checked(evidence: Evidence) -> Iterator[str]:
    yield from evidence.not_checked
    request = evidence.request
    if evidence.not_a_package or evidence.build.failure or evidence.build.hung:
        yield "Everything that needs the built archive: there is none."
    elif evidence.installation.failure:
        yield "The import of the module: the archive could not be installed."
    elif not module_of(evidence):
        yield "The module: none is named (--module-name), and no trainer.task was found."
    elif evidence.probe is not None and evidence.probe.parser is None:
        yield "Arguments: the module did not come to an argument parser that could be asked."
    if evidence.runtime.python < (3, 0):
        yield "Syntax and paths: the runtime has Python 2, whose sources are not read."
    for field in ("runtimeVersion", "pythonVersion"):
        if request.path and not request.line(field):
            yield f"{field}: the configuration names none; the check assumed one."
    if not request.bucket_locations:
        yield "Locations of buckets: --bucket-location BUCKET=LOCATION was not given."
    if evidence.run is None:
        yield (
            "Training itself, its memory, what it exports and whether that serves (--run); "
            "quotas and permissions of the project; whether the data exists."
        )
        return
    yield from evidence.run.differences
    yield from evidence.run.not_checked
    yield "Quotas and permissions of the project; the data of the cloud."
