"""The verdict on an export: every rule asked, findings in order."""

from collections.abc import Collection

import msgspec

from emulator.exports.evidence import Evidence
from emulator.exports.rules import Rule, every
from emulator.findings import Finding, Report


def judge(evidence: Evidence, *, ignored: Collection[str] = (), seconds: float = 0.0) -> Report:
    """All that is wrong with an export, the worst first; ``ignored`` are names of rules."""
    rules = [rule for rule in every() if rule.name not in ignored]
    findings = [_filled(finding, rule) for rule in rules for finding in rule.check(evidence)]
    findings.sort(key=lambda finding: (finding.level.rank, finding.path, finding.rule))
    target = evidence.target
    assumed = " (chosen by the model)" if target.assumed else ""
    return Report(
        subject=evidence.place,
        runtime=f"{target.version} with Python {target.python}{assumed}",
        findings=tuple(findings),
        not_checked=(*evidence.not_checked, *_unserved(evidence)),
        rules=tuple(rule.name for rule in rules),
        seconds=seconds,
    )


def _filled(finding: Finding, rule: Rule) -> Finding:
    return msgspec.structs.replace(
        finding, rule=rule.name, severity=finding.severity or rule.severity
    )


def _unserved(evidence: Evidence) -> tuple[str, ...]:
    told = any(text.startswith("Serving:") for text in evidence.not_checked)
    if evidence.serving is not None or told:
        return ()
    if evidence.framework in {"scikit-learn", "xgboost"}:
        return (f"Serving: the emulator does not serve {evidence.framework} models yet.",)
    return ("Serving: no instances were given, so no server was started.",)
