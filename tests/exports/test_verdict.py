"""Each rule of what a server answered: answers that it must find, and others."""

from typing import Any, Final

import msgspec
import pytest

from emulator.comparison import Tolerance
from emulator.exports.evidence import Answer, Evidence, Serving, Target, Wishes
from emulator.exports.requests import in_base64, wrong
from emulator.exports.rules import every
from emulator.exports.verdict import judge
from emulator.findings import Severity
from emulator.golden import Golden
from emulator.savedmodel import MetaGraph, SavedModel, Signature, Tensor
from emulator.skew import Recorded

TARGET: Final = Target(version="2.11", tensorflow="2.11.0", python="3.7")
NUMBERS: Final = Signature(
    "predict", {"x": Tensor("x:0", "float32", (None,))}, {"y": Tensor("y:0", "float32", (None, 2))}
)
WORDS: Final = Signature(
    "predict", {"t": Tensor("t:0", "string", (None,))}, {"n": Tensor("n:0", "int64", (None,))}
)
NAN: Final = float("nan")


def answer(*instances: Any, says: Any, status: int = 200, seconds: float = 0.01) -> Answer:
    document = {"error": says} if isinstance(says, str) else {"predictions": says}
    return Answer(instances=instances, status=status, document=document, seconds=seconds)


def served(*, signature: Signature = NUMBERS, **facts: Any) -> Evidence:
    """A good model's evidence, and what its server did."""
    graph = MetaGraph(("serve",), "2.11.0", 1, (), {"serving_default": signature})
    return Evidence(
        place="export",
        target=TARGET,
        files={"saved_model.pb": 10},
        framework="tensorflow",
        model=SavedModel(1, (graph,)),
        serving=Serving(signature=signature, **facts),
    )


def singles(*predictions: Any, seconds: float = 0.01) -> tuple[Answer, ...]:
    return tuple(answer(1.0, says=[it], seconds=seconds) for it in predictions)


def batch(*predictions: Any, instances: tuple[Any, ...] = (1.0, 2.0)) -> Answer:
    return answer(*instances, says=list(predictions))


def wished(found: Answer | None = None, **wishes: Any) -> Evidence:
    return served(batch=found, wishes=Wishes(**wishes))


def golden(value: float, have: float) -> Evidence:
    known = Golden([1.0], [{"y": [value, 2.0]}], Tolerance(1e-3, 1e-3))
    found = answer(1.0, says=[{"y": [have, 2.0]}])
    return served(golden=found, wishes=Wishes(golden=known))


def replayed(want: Any, have: Any) -> Evidence:
    recorded = Wishes(recorded=(Recorded(1.0, want), Recorded(2.0, want)))
    return served(replayed=(answer(1.0, 2.0, says=[have, have]),), wishes=recorded)


def in_words(plain: Any, encoded: Any) -> Evidence:
    other = in_base64("a", WORDS)
    return served(
        signature=WORDS,
        singles=(answer("a", says=plain),),
        base64=(answer(other, says=encoded),),
    )


GOOD: Final = {"y": [1.0, 2.0]}
ROWS: Final = ({"x": 1.0, "id": "a"}, {"x": 2.0, "id": "b"})
REFUSED: Final = "Prediction failed: Input mismatch: …"

PAIRS: Final = [
    ("does-not-load", served(failure="Create Version failed."), served(singles=singles(GOOD))),
    ("instance-refused", served(singles=(answer("a", says=REFUSED),)), served(batch=batch(GOOD))),
    ("instance-refused", served(batch=answer(1, 2, says=REFUSED)), served(singles=singles(GOOD))),
    ("wrong-answer", served(singles=singles({"y": [1.0]})), served(singles=singles(GOOD))),
    ("wrong-answer", served(batch=batch(GOOD)), served(batch=batch(GOOD, GOOD))),
    (
        "wrong-answer",
        served(singles=singles({"y": ["1.0", "2.0"]})),
        served(singles=singles({"y": [NAN, 2]})),
    ),
    (
        "batch-differs",
        served(singles=singles(GOOD, GOOD), batch=batch(GOOD, {"y": [1.1, 2.0]})),
        served(singles=singles(GOOD, GOOD), batch=batch(GOOD, {"y": [1.000001, 2.0]})),
    ),
    ("base64-differs", in_words([{"n": 1}], [{"n": 4}]), in_words([{"n": 1}], [{"n": 1}])),
    ("base64-differs", in_words([{"n": 1}], REFUSED), in_words(REFUSED, REFUSED)),
    (
        "wrong-instance-accepted",
        served(wrong=answer({"x": "no number"}, says=[GOOD])),
        served(wrong=answer({"x": "no number"}, says=REFUSED)),
    ),
    (
        "wrong-instance-accepted",
        served(wrong=answer({"x": "a"}, says="Internal error encountered.", status=500)),
        served(),
    ),
    (
        "not-a-number",
        served(singles=singles({"y": [NAN, 2.0]})),
        served(singles=singles({"y": [1e38, 2.0]})),
    ),
    (
        "slow-answer",
        served(singles=singles(*[GOOD] * 21, seconds=0.2), wishes=Wishes(latency_s=0.1)),
        served(
            singles=(*singles(GOOD, seconds=9.0), *singles(*[GOOD] * 20)),  # the first warms up
            wishes=Wishes(latency_s=0.1),
        ),
    ),
    ("golden-differs", golden(1.0, 1.1), golden(1.0, 1.0005)),
    (
        "schema-violated",
        wished(batch(GOOD, {}), schema={"required": ["y"]}),
        wished(batch(GOOD, GOOD), schema={"required": ["y"]}),
    ),
    (
        "key-lost",
        wished(batch({"id": "b"}, {"id": "a"}, instances=ROWS), keys=("id",)),
        wished(batch({"id": "a"}, {"id": ["b"]}, instances=ROWS), keys=("id",)),
    ),
    ("train-serve-skew", replayed({"y": [1.0, 2.0]}, {"y": [1.5, 2.0]}), replayed(GOOD, GOOD)),
    ("train-serve-skew", replayed(3.0, {"y": [2.9]}), replayed(3.0, {"y": [3.0001]})),
]
IDS: Final = [f"{rule}-{number}" for number, (rule, _, _) in enumerate(PAIRS)]


@pytest.mark.parametrize(("rule", "bad", "near_miss"), PAIRS, ids=IDS)
def test_rule_finds_the_defect_and_not_the_near_miss(
    rule: str, bad: Evidence, near_miss: Evidence
) -> None:
    assert rule in {finding.rule for finding in judge(bad).findings}
    assert rule not in {finding.rule for finding in judge(near_miss).findings}


def test_service_is_quoted() -> None:
    (finding,) = judge(served(singles=(answer("a", says=REFUSED),))).findings
    assert finding.cloud == REFUSED
    assert '"a" is not answered.' in finding.message


def test_worst_comes_first_and_everything_is_filled_in() -> None:
    evidence = served(singles=singles({"y": [NAN, 2.0]}, {"y": [1.0]}))
    report = judge(evidence)
    assert [finding.level for finding in report.findings] == [Severity.ERROR, Severity.WARNING]
    assert report.rules == tuple(rule.name for rule in every())
    assert report.not_checked == ()


def test_rules_can_be_left_out() -> None:
    report = judge(served(failure="It failed."), ignored=["does-not-load"])
    assert report.findings == ()
    assert "does-not-load" not in report.rules


def test_what_was_not_checked_is_said() -> None:
    unserved = msgspec.structs.replace(served(), serving=None)
    assert judge(unserved).not_checked == (
        "Serving: no instances were given, so no server was started.",
    )
    other = msgspec.structs.replace(unserved, framework="xgboost")
    assert judge(other).not_checked == ("Serving: the emulator does not serve xgboost models yet.",)


def test_wrong_instances_are_wrong_for_the_signature() -> None:
    assert wrong(1.0, NUMBERS) == {"x": "no number"}
    assert wrong("a", WORDS) == {"t": "a", "cmle_no_such_input": 0}
    assert wrong({"b64": "YQ=="}, WORDS) == {"t": {"b64": "YQ=="}, "cmle_no_such_input": 0}


def test_texts_are_put_into_base64_where_the_signature_takes_them() -> None:
    assert in_base64("a", WORDS) == {"t": {"b64": "YQ=="}}
    assert in_base64({"t": ["a", "b"]}, WORDS) == {"t": [{"b64": "YQ=="}, {"b64": "Yg=="}]}
    assert in_base64("a", NUMBERS) is None
    assert in_base64({"b64": "YQ=="}, WORDS) is None
