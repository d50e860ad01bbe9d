"""Every seeded package is found out, and no near miss is taken for an error."""

from pathlib import Path

import pytest

from emulator.checks.rules import every
from emulator.findings import Severity
from emulator.shipped import folder

BENCH = folder("trainer_fixtures") / "checks"
CASES = sorted(path for path in BENCH.glob("*/*") if path.is_dir())
BAD = [path for path in CASES if path.name.startswith("bad")]
NEAR = [path for path in CASES if path.name.startswith("near")]


def chosen(cases: list[Path]) -> list[object]:
    """Each rule's pair in every run of the tests; its variants, and jobs, in the long one."""
    return [
        pytest.param(path, id=label(path), marks=[pytest.mark.soak] if is_long(path) else [])
        for path in cases
    ]


def is_long(case: Path) -> bool:
    return "-" in case.name or (case / "run.toml").is_file()


def label(path: Path) -> str:
    return str(path.relative_to(BENCH))


def test_bench_has_a_pair_for_each_rule() -> None:
    rules = {rule.name for rule in every()}
    assert {path.parent.name for path in BAD} == rules
    assert {path.parent.name for path in NEAR} == rules
    assert len(CASES) >= 60
    assert len(BAD) + len(NEAR) == len(CASES)


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", chosen(BAD))
def test_seeded_package_is_found(case: Path, checked) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    report = checked(case)
    found = [finding for finding in report.findings if finding.rule == case.parent.name]
    assert found, report
    for finding in found:
        assert finding.message
        assert finding.fix
        assert not finding.line or finding.path


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", chosen(NEAR))
def test_near_miss_is_let_through(case: Path, checked) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    report = checked(case)
    assert [it for it in report.findings if it.rule == case.parent.name] == []
    assert report.count(Severity.ERROR) == 0, report.findings
