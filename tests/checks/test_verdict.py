"""What is said of a run, judged from its evidence alone."""

from typing import Any, Final

import msgspec
import pytest

from emulator.checks.evidence import Evidence, Failure, Request, Run, RuntimeFacts
from emulator.checks.report import write
from emulator.checks.rules import every
from emulator.checks.verdict import judge
from emulator.exports.evidence import Answer, Pickle, Serving, Target
from emulator.exports.evidence import Evidence as Export
from emulator.exports.rules import every as of_exports
from emulator.findings import Finding, Severity
from emulator.resources import TrainingInput
from emulator.states import JobState

TRAINING: Final = TrainingInput(
    scale_tier="BASIC", job_dir="gs://rides/out", runtime_version="2.11", python_version="3.7"
)
LINES: Final = {"trainingInput.args": 4, "trainingInput.scaleTier": 2, "trainingInput.jobDir": 3}
KILLED: Final = (
    "The replica master 0 ran out-of-memory and exited with a non-zero status of 9(SIGKILL)"
)
CUT: Final = {"state": JobState.CANCELLED, "cut_s": 5.0}
PLACE: Final = "gs://rides/out"
TARGET: Final = Target(version="2.11", tensorflow="2.11.0", python="3.7")
PICKLED: Final = Export(
    place=PLACE,
    target=TARGET,
    files={"model.joblib": 10},
    framework="scikit-learn",
    pickles={
        "model.joblib": Pickle(protocol=4, kind="sklearn.linear_model._base.LinearRegression")
    },
)
SERVED: Final = Export(
    place=PLACE, target=TARGET, files={"saved_model.pb": 1}, framework="tensorflow"
)


def evidence(**facts: Any) -> Evidence:
    """A package with nothing wrong, and what became of its job."""
    state = facts.get("state", JobState.SUCCEEDED)
    model = PLACE if state is JobState.SUCCEEDED else ""
    run = Run(**{"state": state, "job_dir": PLACE, "model": model, **facts})
    return Evidence(
        root="",
        package="trainer",
        request=Request(training=TRAINING, given=True, path="job.yaml", lines=LINES),
        runtime=RuntimeFacts("2.11", (3, 7), "2.11.0"),
        run=run,
    )


def findings(**facts: Any) -> list[Finding]:
    needs_run = {rule.name for rule in every() if rule.needs_run}
    return [it for it in judge(evidence(**facts)).findings if it.rule in needs_run]


Case = tuple[dict[str, Any], list[tuple[str, Severity, str]]]
CASES: Final[list[Case]] = [
    ({"export": SERVED}, []),
    (
        {
            "state": JobState.FAILED,
            "failure": Failure("KeyError", "'km'", "trainer/model.py", 7),
            "error_message": "The replica master 0 exited with a non-zero status of 1. ",
        },
        [("run-fails", Severity.ERROR, "trainer/model.py:7")],
    ),
    (
        {"state": JobState.FAILED, "last_lines": ("master-replica-0: bye",)},
        [("run-fails", Severity.ERROR, "")],
    ),
    (
        {"state": JobState.FAILED, "absent": ("gs://rides/in/*.csv",)},
        [("run-fails", Severity.ERROR, ""), ("data-not-given", Severity.WARNING, "job.yaml:4")],
    ),
    (
        {"state": JobState.FAILED, "error_message": KILLED},
        [("run-out-of-memory", Severity.ERROR, "job.yaml:2")],
    ),
    (
        {
            "state": JobState.FAILED,
            "error_message": KILLED,
            "differences": ("scaled down: master (n1) 2 of 4 CPUs, 10.5 of 15 GiB.",),
        },
        [("run-out-of-memory", Severity.WARNING, "job.yaml:2")],
    ),
    (
        {
            "state": JobState.FAILED,
            "error_message": KILLED,
            "differences": ("scaled down: master (n1) 2 of 4 CPUs, 15 of 15 GiB.",),
        },
        [("run-out-of-memory", Severity.ERROR, "job.yaml:2")],
    ),
    (CUT, [("run-too-long", Severity.ERROR, "job.yaml:4")]),
    (
        {**CUT, "absent": ("gs://rides/in/*.csv",)},
        [
            ("run-too-long", Severity.ERROR, "job.yaml:4"),
            ("data-not-given", Severity.WARNING, "job.yaml:4"),
        ],
    ),
    ({"absent": ("gs://rides/logs",), "export": SERVED}, []),
    ({"model": ""}, [("nothing-exported", Severity.WARNING, "")]),
    ({"model": "", "wants_model": True}, [("nothing-exported", Severity.ERROR, "")]),
    (
        {"model": "gs://rides/out2", "export": SERVED},
        [("export-outside-job-dir", Severity.WARNING, "job.yaml:3")],
    ),
    ({"model": "gs://rides/out2", "job_dir": "", "export": SERVED}, []),
    ({"export": PICKLED}, [("not-served", Severity.NOTE, PLACE)]),
    ({}, [("not-served", Severity.NOTE, PLACE)]),
]


@pytest.mark.parametrize(("facts", "wanted"), CASES)
def test_run_is_judged(facts: dict[str, Any], wanted: list[tuple[str, Severity, str]]) -> None:
    found = findings(**facts)
    assert sorted((it.rule, it.level, it.place) for it in found) == sorted(wanted)
    assert all(it.fix and it.message for it in found)


def test_hint_names_the_folder_of_missing_data() -> None:
    (finding,) = (
        it
        for it in findings(state=JobState.FAILED, absent=("gs://rides/in/train-*.csv",))
        if it.rule == "data-not-given"
    )
    assert "--data LOCAL=gs://rides/in." in finding.fix


def test_failure_without_a_traceback_shows_the_end_of_the_log() -> None:
    (finding,) = findings(state=JobState.FAILED, last_lines=("a: no fares", "a: bye"))
    assert finding.message.endswith("a: no fares\n        a: bye")


def test_end_at_the_deadline_says_how_far_it_got() -> None:
    (finding,) = findings(**CUT, last_lines=("a: step 1", "a: step 2"), written={"gs://r/x": 1})
    assert "step 2" in finding.message
    assert "objects written: 1" in finding.message


def test_export_is_judged_by_the_rules_of_exports() -> None:
    refused = Answer(instances=(1,), status=400, document={"error": "Prediction failed: no"})
    export = msgspec.structs.replace(SERVED, serving=Serving(singles=(refused,)))
    report = judge(evidence(export=export))
    assert "instance-refused" in {it.rule for it in report.findings}
    assert {rule.name for rule in of_exports()} <= set(report.rules)
    assert "instance-refused" in write(report, "sarif")
    ignored = judge(evidence(export=export), ["instance-refused"])
    assert "instance-refused" not in {it.rule for it in ignored.findings}
    assert "instance-refused" not in ignored.rules


def test_report_says_what_a_run_did_not_show() -> None:
    report = judge(
        evidence(export=PICKLED, differences=("Fewer replicas.",), not_checked=("To its end.",))
    )
    assert {"Fewer replicas.", "To its end."} <= set(report.not_checked)
    assert any("does not serve scikit-learn" in text for text in report.not_checked)
    assert not any("--run" in text for text in report.not_checked)


def test_rules_of_runs_are_not_counted_without_one() -> None:
    without = judge(msgspec.structs.replace(evidence(), run=None))
    assert set(without.rules) == {rule.name for rule in every() if not rule.needs_run}
    assert any("--run" in text for text in without.not_checked)


def test_no_two_rules_of_a_report_have_one_name() -> None:
    assert not {rule.name for rule in every()} & {rule.name for rule in of_exports()}
