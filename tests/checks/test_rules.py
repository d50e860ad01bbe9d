"""Every seeded package is found out, and no near miss is taken for an error."""

from collections.abc import Callable

import pytest

from benchmarks.seeds import Seed
from emulator.checks.rules import every
from emulator.findings import Report, Severity

SEEDS = Seed.every()
BAD = [seed for seed in SEEDS if seed.is_bad]
NEAR = [seed for seed in SEEDS if not seed.is_bad]
Checked = Callable[[Seed], Report]


def chosen(seeds: list[Seed]) -> list[object]:
    """Each rule's pair in every run of the tests; its variants, and jobs, in the long one."""
    return [
        pytest.param(
            seed, id=seed.label, marks=[pytest.mark.soak] if seed.is_variant or seed.is_run else []
        )
        for seed in seeds
    ]


def test_bench_has_a_pair_for_each_rule() -> None:
    rules = {rule.name for rule in every()}
    assert {seed.rule for seed in BAD if not seed.is_variant} == rules
    assert {seed.rule for seed in NEAR if not seed.is_variant} == rules
    assert len(BAD) >= 60
    assert all(seed.folder.name.startswith("near") for seed in NEAR)


@pytest.mark.tensorflow
@pytest.mark.parametrize("seed", chosen(BAD))
def test_seeded_package_is_found(seed: Seed, checked: Checked) -> None:
    report = checked(seed)
    found = [finding for finding in report.findings if finding.rule == seed.rule]
    assert found, report
    for finding in found:
        assert finding.message
        assert finding.fix
        assert not finding.line or finding.path


@pytest.mark.tensorflow
@pytest.mark.parametrize("seed", chosen(NEAR))
def test_near_miss_is_let_through(seed: Seed, checked: Checked) -> None:
    report = checked(seed)
    assert [it for it in report.findings if it.rule == seed.rule] == []
    assert report.count(Severity.ERROR) == 0, report.findings
