"""Assertions for the tests of a trainer; each says what it expected and what it found."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from emulator import golden, json_schema, latency, rows, skew
from emulator.answer import Answer
from emulator.comparison import Tolerance, differences, not_finite
from emulator.errors import OperatorError
from emulator.exports.folders import LocalFolder
from emulator.exports.gather import Question, gather
from emulator.exports.verdict import judge
from emulator.findings import Severity
from emulator.golden import Golden
from emulator.outcome import Outcome
from emulator.savedmodel import (
    DEFAULT_SIGNATURE,
    SERVE,
    SavedModel,
    SavedModelError,
    Signature,
    summary,
)
from emulator.states import JobState

__tracebackhide__ = True  # by pytest: a failure is shown where the test asserts

TOLERANCE: Final = 1e-3
LONGEST: Final = 400  # characters of an instance in a message


def assert_job_succeeded(outcome: Outcome) -> None:
    """The job ended as SUCCEEDED; else its error message and the end of its log."""
    if outcome.state is JobState.SUCCEEDED:
        return
    raise AssertionError(
        f"job {outcome.job_id}: expected SUCCEEDED, found {outcome.state}\n"
        f"errorMessage: {outcome.error_message or '(none)'}\n"
        f"last lines of its log:\n{outcome.last_lines()}"
    )


def assert_servable(
    saved_model: SavedModel | Path | str,
    signature: str = DEFAULT_SIGNATURE,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    runtime_version: str = "",
    machine_type: str = "",
) -> Signature:
    """A model server could load this SavedModel and answer; answers the signature.

    ``inputs`` and ``outputs`` name tensors that the signature must have. A folder is judged
    by the rules of ``cmle check-model``, too: for a runtime version and a machine type, or for
    those that suit the model. TensorFlow is not imported.
    """
    model = saved_model if isinstance(saved_model, SavedModel) else _read(Path(saved_model))
    graphs = model.tagged(SERVE)
    if not graphs:
        tags = [", ".join(graph.tags) or "(no tag)" for graph in model.meta_graphs]
        raise AssertionError(f"expected a graph tagged {SERVE!r}, found {tags or 'no graph'}")
    offered = graphs[0].callable_signatures
    if signature not in offered:
        raise AssertionError(
            f"expected the signature {signature!r}, found {sorted(offered) or 'none'}"
            + "".join(_shown(name, it) for name, it in offered.items())
        )
    found = offered[signature]
    _has(f"inputs of {signature!r}", inputs, found.inputs, _shown(signature, found))
    _has(f"outputs of {signature!r}", outputs, found.outputs, _shown(signature, found))
    if not found.outputs:
        raise AssertionError(
            f"expected {signature!r} to have outputs, found none{_shown(signature, found)}"
        )
    if not isinstance(saved_model, SavedModel):
        _has_no_errors(
            Path(saved_model), Question(version=runtime_version, machine_type=machine_type)
        )
    return found


def assert_predictions(
    answer: Any,
    expected: Sequence[Any] | None = None,
    *,
    count: int | None = None,
    tolerance: float = TOLERANCE,
) -> list[Any]:
    """An answer of ``predict`` holds predictions, all finite, and those that are expected.

    ``expected`` may name only some keys of each prediction; numbers may differ by
    ``tolerance``, relatively (absolutely below one). Answers the predictions. The answer of
    ``cmle_predict`` knows its instances, and a failure shows the one that it is about.
    """
    predictions = _predictions(answer)
    count = len(expected) if count is None and expected is not None else count
    if count is not None and len(predictions) != count:
        raise AssertionError(
            f"expected {count} predictions, found {len(predictions)}: {predictions!r}"
        )
    for where, value in not_finite(predictions):
        raise AssertionError(f"{where}: expected a finite number, found {value}")
    for number, (want, have) in enumerate(zip(expected or (), predictions, strict=False)):
        found = list(
            differences(want, have, f"prediction {number}", Tolerance(tolerance, tolerance))
        )
        _none([*found, *_instance(answer, number)] if found else [])
    return predictions


def assert_golden(
    answer: Any,
    path: Path | str,
    *,
    instances: Sequence[Any] = (),
    update: bool = False,
    tolerance: float = TOLERANCE,
) -> list[Any]:
    """An answer of ``predict`` is the one that a golden file keeps; answers the predictions.

    With ``update`` the file is written instead. It keeps the ``instances``, too: those of
    another request are not compared. ``tolerance`` is what a written file gets; a file's own
    is used when it is read, so that people can change it there.
    """
    predictions, file = assert_predictions(answer), Path(path)
    if update:
        golden.write(file, Golden(list(instances), predictions, Tolerance(tolerance, tolerance)))
        return predictions
    try:
        kept = golden.read(file)
    except OperatorError as error:
        raise AssertionError(str(error)) from None
    if instances and list(instances) != kept.instances:
        raise AssertionError(f"{file} keeps predictions for other instances: --update-golden")
    if found := kept.differences(predictions):
        hint = f"{file}: expected its predictions; if the new ones are right, --update-golden"
        raise AssertionError("\n".join([hint, *found]))
    return predictions


def assert_schema(answer: Any, schema: Any) -> list[Any]:
    """Each prediction fits a JSON Schema, or the outputs of a signature; answers them."""
    predictions = _predictions(answer)
    wanted = json_schema.of(schema) if isinstance(schema, Signature) else schema
    _none(
        [
            problem
            for number, prediction in enumerate(predictions)
            for problem in json_schema.violations(prediction, wanted, f"prediction {number}")
        ]
    )
    return predictions


def assert_rows(answer: Any, instances: Sequence[Any], *, keys: Sequence[str] = ()) -> list[Any]:
    """A prediction for each instance, in order: each repeats its instance's ``keys``."""
    predictions = assert_predictions(answer, count=len(instances))
    _none([text for key in keys for text in rows.lost(instances, predictions, key)])
    return predictions


def assert_latency(
    ask: Callable[[], Any], within_s: float, *, repeats: int = 20, share: float = latency.SHARE
) -> list[float]:
    """A share of the calls end within a time; answers how long each took, a first one aside."""
    seconds = latency.measured(ask, repeats)
    found = latency.percentile(seconds, share)
    if found > within_s:
        shown = ", ".join(f"{each * 1000:.1f}" for each in sorted(seconds))
        raise AssertionError(
            f"expected {share:.0%} of {repeats} calls within {within_s * 1000:.1f} ms, "
            f"found {found * 1000:.1f} ms; all of them, in ms: {shown}"
        )
    return seconds


def assert_no_skew(
    recorded: Path | str | Sequence[skew.Recorded],
    predict: Callable[[list[Any]], Any],
    *,
    tolerance: float = TOLERANCE,
    allowed: float = 0.0,
) -> skew.Skew:
    """The served model predicts what training recorded for the same rows; answers how close.

    ``recorded`` is a file with ``{"instance": …, "prediction": …}`` a line, or its rows;
    ``predict`` asks for a list of instances; a share of rows may differ.
    """
    pairs = skew.read(Path(recorded)) if isinstance(recorded, str | Path) else tuple(recorded)
    instances = [pair.instance for pair in pairs]
    served = assert_predictions(predict(instances), count=len(instances))
    wanted = [pair.prediction for pair in pairs]
    found = skew.compare(wanted, served, Tolerance(tolerance, tolerance))
    if found.share > allowed:
        raise AssertionError(f"train/serve skew: {found.describe()}")
    return found


def _predictions(answer: Any) -> list[Any]:
    found = answer.get("predictions") if isinstance(answer, dict) else answer
    if not isinstance(found, list):
        raise AssertionError("\n".join(_refused(answer)))  # noqa: TRY004 - an assertion
    return found


def _refused(answer: Any) -> Iterator[str]:
    if not isinstance(answer, dict) or "error" not in answer:
        yield f"expected a list of predictions, found {answer!r}"
        return
    yield f"expected predictions, found the error: {answer['error']}"
    if isinstance(answer, Answer):
        for number, text in answer.failing.items():
            yield f"instance {number} fails alone, too: {text}"
            yield from _instance(answer, number)
        if len(answer.instances) == 1:
            yield from _instance(answer, 0)


def _instance(answer: Any, number: int) -> list[str]:
    """The instance of a prediction, where the answer knows it."""
    known = answer.instances if isinstance(answer, Answer) else []
    return [f"  its instance: {_short(known[number])}"] if number < len(known) else []


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _none(problems: list[str]) -> None:
    if problems:
        raise AssertionError("\n".join(problems))


def _has_no_errors(folder: Path, question: Question) -> None:
    """The static rules of ``cmle check-model`` find no error."""
    try:
        report = judge(gather(LocalFolder(folder), question))
    except OperatorError as error:
        raise AssertionError(str(error)) from None
    errors = [finding for finding in report.findings if finding.level is Severity.ERROR]
    _none([f"{it.message} [{it.rule}]\n  cloud: {it.cloud}\n  fix: {it.fix}" for it in errors])


def _read(folder: Path) -> SavedModel:
    try:
        return SavedModel.read(folder)
    except SavedModelError as error:
        raise AssertionError(f"expected a SavedModel in {folder}: {error}") from None


def _has(what: str, expected: Sequence[str], found: dict[str, Any], shown: str) -> None:
    if missing := sorted(set(expected) - set(found)):
        raise AssertionError(f"{what}: expected {missing} too, found {sorted(found)}{shown}")


def _shown(name: str, signature: Signature) -> str:
    """A signature with the types and shapes of its tensors, for the end of a message."""
    return "".join(
        f"\n  {line}" for line in [f"{name}:", *(f"  {it}" for it in summary(signature))]
    )
