"""How reports are written: as text for people and as documents for programs."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from emulator.findings import Finding, Report, Severity

SARIF: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_COMMANDS: Final = {"error": "error", "warning": "warning", "note": "notice"}
_INDENT: Final = "    "
_MARKUP: Final = frozenset("\\`*_[]|~#>")


class Documented(Protocol):
    """What a report needs to know of a rule."""

    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def summary(self) -> str: ...
    @property
    def explanation(self) -> str: ...


class Judge(msgspec.Struct, frozen=True):
    """Who judged: the command, and the rules it knows."""

    tool: str
    rules: Sequence[Documented]


def text(report: Report, _: Judge) -> str:
    """The findings, the worst first, and what was not checked."""
    blocks = [_block(finding) for finding in report.findings]
    counts = [_counted(report.count(severity), severity) for severity in Severity]
    known = "from the cache" if report.cached else f"{report.seconds:.1f} s"
    silenced = f", {len(report.silenced)} silenced" if report.silenced else ""
    summary = (
        f"{report.subject} on runtime {report.runtime}: {', '.join(counts)}{silenced} "
        f"({len(report.rules)} rules, {known})"
    )
    guesses = "Service texts marked (guess) are proposals; the others were seen literally."
    missing = [f"  - {each}" for each in report.not_checked]
    lines = ["Not checked:", *missing] if missing else []
    quoted = any(finding.cloud for finding in report.findings)
    return "\n".join([*blocks, *([guesses] if quoted else []), *lines, summary])


def _block(finding: Finding) -> str:
    place = f"{finding.place}: " if finding.place else ""
    lines = [f"{place}{finding.level}[{finding.rule}] {finding.message}"]
    if finding.cloud:
        mark = "" if finding.verified else " (guess)"
        cloud = finding.cloud.strip().replace("\n", f"\n{_INDENT}       ")
        lines.append(f"{_INDENT}cloud{mark}: {cloud}")
    lines.append(f"{_INDENT}fix: {finding.fix}")
    return "\n".join(lines)


def as_json(report: Report, _: Judge) -> str:
    document = msgspec.to_builtins(report)
    document["findings"] = [_plain(finding) for finding in report.findings]
    document["silenced"] = [_plain(finding) for finding in report.silenced]
    document["counts"] = {str(severity): report.count(severity) for severity in Severity}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _plain(finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(finding)
    return found


def junit(report: Report, judge: Judge) -> str:
    """A test case for each rule; errors and warnings are its failures, notes its output."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - the other formats go without it

    classname = judge.tool.replace(" ", ".")
    suite = ET.Element(
        "testsuite",
        name=judge.tool,
        tests=str(len(report.rules)),
        failures=str(len({it.rule for it in report.findings if it.level is not Severity.NOTE})),
        errors="0",
        skipped="0",
        time=f"{report.seconds:.3f}",
    )
    for rule in report.rules:
        case = ET.SubElement(suite, "testcase", classname=classname, name=rule, time="0")
        found = [finding for finding in report.findings if finding.rule == rule]
        failures = [finding for finding in found if finding.level is not Severity.NOTE]
        if failures:
            message = _clean("; ".join(finding.message for finding in failures))
            worst = min(failures, key=lambda it: it.level.rank).level
            failure = ET.SubElement(case, "failure", message=message, type=str(worst))
            failure.text = _clean("\n".join(map(_block, failures)))
        notes = [finding for finding in found if finding.level is Severity.NOTE]
        if notes:
            ET.SubElement(case, "system-out").text = _clean("\n".join(map(_block, notes)))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _clean(plain: str) -> str:
    """Without what XML 1.0 has no way to write."""
    return "".join(char for char in plain if char in "\t\n\r" or char >= " ").translate(
        {0xFFFE: None, 0xFFFF: None}
    )


def sarif(report: Report, judge: Judge) -> str:
    """SARIF 2.1.0, as code scanning services read it."""
    rules = [rule for rule in judge.rules if rule.name in report.rules]
    driver = {
        "name": judge.tool,
        "rules": [_sarif_rule(rule) for rule in rules],
    }
    index = {rule.name: at for at, rule in enumerate(rules)}
    results = [_sarif_result(finding, index) for finding in report.findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_rule(rule: Documented) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": " ".join(f"{rule.summary} {rule.explanation}".split())},
        "defaultConfiguration": {"level": str(rule.severity)},
    }


def _sarif_result(finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": str(finding.level),
        "message": {"text": f"{finding.message} Fix: {finding.fix}"},
    }
    if finding.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": finding.path.replace("\\", "/")}}
        if finding.line:
            place["region"] = {"startLine": finding.line}
        result["locations"] = [{"physicalLocation": place}]
    return result


def github(report: Report, _: Judge) -> str:
    """Workflow commands, which GitHub shows beside the lines."""
    return "\n".join(map(_command, report.findings))


def _command(finding: Finding) -> str:
    options = {"file": finding.path, "line": str(finding.line or ""), "title": finding.rule}
    given = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in options.items() if value)
    message = _escaped(f"{finding.message} Fix: {finding.fix}", "")
    return f"::{_COMMANDS[finding.level]} {given}::{message}"


def _escaped(value: str, more: str) -> str:
    for char in ("%", "\r", "\n", *more):
        value = value.replace(char, f"%{ord(char):02X}")
    return value


def markdown(report: Report, judge: Judge) -> str:
    """A summary for pages that show Markdown: GitHub's job summary, a comment."""
    counts = ", ".join(_counted(report.count(each), each) for each in Severity)
    blocks = [
        f"### {judge.tool}: {_cell(report.subject)}",
        f"Runtime {_cell(report.runtime)}: **{counts}** of {len(report.rules)} rules.",
    ]
    if report.findings:
        rows = [_row(finding) for finding in report.findings]
        head = ["| severity | rule | where | what | fix |", "| --- | --- | --- | --- | --- |"]
        blocks.append("\n".join([*head, *rows]))
    if report.not_checked:
        missing = "\n".join(f"- {_cell(each)}" for each in report.not_checked)
        summary = "<details><summary>Not checked</summary>"
        blocks.append(f"{summary}\n\n{missing}\n\n</details>")
    return "\n\n".join(blocks) + "\n"


def _row(finding: Finding) -> str:
    cells = (finding.level, finding.rule, finding.place, finding.message, finding.fix)
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _cell(plain: str) -> str:
    """On one line, and nothing of it is markup."""
    marked = "".join(f"\\{char}" if char in _MARKUP else char for char in _clean(plain))
    return " ".join(marked.replace("&", "&amp;").replace("<", "&lt;").split())


def _counted(count: int, severity: Severity) -> str:
    return f"{count} {severity}" if count == 1 else f"{count} {severity}s"


def listing(judge: Judge) -> str:
    """Every rule with its documentation."""
    blocks = []
    for rule in judge.rules:
        body = "\n".join(f"{_INDENT}{line}".rstrip() for line in rule.explanation.splitlines())
        blocks.append(f"{rule.name} ({rule.severity})\n{_INDENT}{rule.summary}\n{body}".rstrip())
    return "\n\n".join(blocks)


def reference(rules: Sequence[Documented]) -> str:
    """Every rule with its documentation, as a part of a page in Markdown."""
    blocks = []
    for rule in rules:
        body = f"\n\n{rule.explanation}" if rule.explanation else ""
        blocks.append(f"### {rule.name}\n\n*{rule.severity}.* {rule.summary}{body}\n")
    return "\n".join(blocks)


Writer = Callable[[Report, Judge], str]
FORMATS: Final[dict[str, Writer]] = {
    "text": text,
    "json": as_json,
    "junit": junit,
    "sarif": sarif,
    "github": github,
    "markdown": markdown,
}
