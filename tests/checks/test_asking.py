"""The model of a run, as a service answers that is not there: what is asked of it, and noted."""

from typing import TYPE_CHECKING, Any

import pytest

from emulator.checks import asking
from emulator.checks.choices import RunChoices
from emulator.checks.evidence import Run
from emulator.client import Client
from emulator.comparison import Tolerance
from emulator.exports.check import NOT_DEPLOYED
from emulator.golden import Golden
from emulator.skew import Recorded
from emulator.states import JobState
from emulator.wire import encode

if TYPE_CHECKING:
    from tests.conftest import Keeper

FOLDER = "gs://rides/out/export"
JOB = {"trainingInput": {"runtimeVersion": "2.11", "pythonVersion": "3.7"}}
PLAIN = RunChoices()
SAVED = "out/export/saved_model.pb"
MADE = [{"x": 0.5}, {"x": 1.0}]


def model(dtype: int = 1) -> bytes:
    """A SavedModel that takes rows of one number (or of another type)."""

    def tensor(name: bytes, kind: int) -> bytes:
        rows = encode(3, encode(2, encode(1, -1 & (1 << 64) - 1)))
        return encode(1, name) + encode(2, encode(1, name + b":0") + encode(2, kind) + rows)

    signature = encode(1, tensor(b"x", dtype)) + encode(2, tensor(b"y", 1))
    entry = encode(5, encode(1, b"serving_default") + encode(2, signature))
    return encode(2, encode(1, encode(4, b"serve") + encode(5, b"2.11.0")) + entry)


def ask(
    keeper: "Keeper", client: Client, objects: dict[str, bytes], chosen: RunChoices = PLAIN
) -> Run:
    keeper.buckets["rides"] = objects
    written = {f"gs://rides/{name}": len(content) for name, content in objects.items()}
    run = Run(state=JobState.SUCCEEDED, job_dir="gs://rides/out", written=written)
    return asking.ask(run, client, JOB, chosen, lambda _: None)


def asked(keeper: "Keeper") -> list[Any]:
    return [body["instances"] for _, target, body in keeper.requests if target.endswith(":predict")]


def test_model_is_deployed_and_asked_for_instances_that_are_made_up(
    keeper: "Keeper", client: Client
) -> None:
    keeper.predictions = 200, {"predictions": [{"y": 2.0}]}
    run = ask(keeper, client, {SAVED: model()})
    assert run.model == FOLDER
    assert run.export is not None
    assert run.export.serving is not None
    assert [it.instances[0] for it in run.export.serving.singles] == MADE
    assert MADE in asked(keeper)
    assert run.not_checked == (asking.MADE,)
    (body,) = [body for _, target, body in keeper.requests if target.endswith("/versions")]
    assert body["deploymentUri"] == FOLDER
    assert (body["runtimeVersion"], body["pythonVersion"]) == ("2.11", "3.7")


@pytest.mark.parametrize(
    ("dtype", "predictions", "text"),
    [
        (1, (200, {"error": "Prediction failed: too small"}), "too small"),
        (1, (200, {"predictions": ["NaN"]}), "no number"),
        (8, (200, {"predictions": [1.0]}), "does not tell"),
    ],
)
def test_made_up_instances_that_do_not_fit_are_nobodys_fault(
    keeper: "Keeper", client: Client, dtype: int, predictions: tuple[int, Any], text: str
) -> None:
    keeper.predictions = predictions
    run = ask(keeper, client, {SAVED: model(dtype)})
    assert run.export is not None
    assert run.export.serving is not None
    assert run.export.serving.singles == ()
    assert text in run.not_checked[0]


def test_given_instances_are_asked_and_predictions_compared(
    keeper: "Keeper", client: Client
) -> None:
    keeper.predictions = 400, {"error": {"code": 400, "message": "no", "status": "INVALID"}}
    golden = Golden([{"x": 7.0}], [{"y": 9.0}], Tolerance())
    recorded = b'{"instance": {"x": 5.0}, "prediction": 1.0}\n'
    chosen = RunChoices(instances=({"x": 3.0},), golden=golden)
    run = ask(keeper, client, {SAVED: model(), "out/eval.jsonl": recorded}, chosen)
    assert run.export is not None
    serving = run.export.serving
    assert serving is not None
    assert serving.singles[0].instances == ({"x": 3.0},)
    assert (serving.singles[0].status, serving.singles[0].error) == (400, "no")
    assert serving.wishes.golden == golden
    assert [it.instances for it in serving.replayed] == [({"x": 5.0},)]
    assert run.not_checked == ()


def test_refused_version_is_what_the_operation_says(keeper: "Keeper", client: Client) -> None:
    keeper.operation_error = {"code": 3, "message": "Create Version failed."}
    run = ask(keeper, client, {SAVED: model()})
    assert run.export is not None
    assert run.export.serving is not None
    assert run.export.serving.failure == "Create Version failed."


def test_what_would_be_refused_is_not_deployed(keeper: "Keeper", client: Client) -> None:
    run = ask(keeper, client, {SAVED: b"garbage"})
    assert run.export is not None
    assert run.export.serving is None
    assert run.export.not_checked == (NOT_DEPLOYED,)
    assert not keeper.models


def test_other_frameworks_are_looked_at_and_pytorch_is_named(
    keeper: "Keeper", client: Client
) -> None:
    booster = ask(keeper, client, {"out/model.bst": b"binf"})
    assert booster.export is not None
    assert booster.export.framework == "xgboost"
    torch = ask(keeper, client, {"out/model.pt": b"PK"})
    assert (torch.model, torch.export) == ("gs://rides/out", None)
    nothing = ask(keeper, client, {"out/note": b""})
    assert (nothing.model, nothing.export) == ("", None)
    assert not keeper.models


def test_recording_is_a_file_whose_lines_are_one(keeper: "Keeper", client: Client) -> None:
    rows = b'{"instance": 1, "prediction": 2}\n'
    keeper.buckets["rides"] = {
        "out/a.jsonl": b'{"loss": 1}\n',
        "out/b.jsonl": rows * (asking.MOST_RECORDED + 5),
        "else/c.jsonl": rows,
    }
    written = {f"gs://rides/{name}": 10 for name in keeper.buckets["rides"]}
    run = Run(state=JobState.SUCCEEDED, job_dir="gs://rides/out", written=written)
    assert asking.recorded(client, run) == (Recorded(1, 2),) * asking.MOST_RECORDED
    elsewhere = Run(state=JobState.SUCCEEDED, job_dir="gs://rides/none", written=written)
    assert asking.recorded(client, elsewhere) == ()
