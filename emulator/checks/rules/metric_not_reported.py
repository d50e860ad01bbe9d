"""The job tunes a metric that nothing in the package reports.

Trials then end without an objective value. A metric is reported by hypertune with that
tag, by a TensorFlow summary or an estimator's metric of that name, and on TensorFlow 2 by
Keras's TensorBoard callback, whose tags begin with `epoch_`: validation's, too, which are in
a file of their own and not called `epoch_val_`.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks import trees
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_DEFAULT: Final = "training/hptuning/metric"
_OF_ESTIMATORS: Final = frozenset(
    {"loss", "average_loss", "accuracy", "auc", "auc_precision_recall", "precision", "recall"}
    | {"global_step", "accuracy_baseline", "label/mean", "prediction/mean"}
)


def check(evidence: Evidence) -> Iterator[Finding]:
    spec = evidence.request.training.hyperparameters
    if spec is None or not evidence.packed:
        return
    tag = spec.hyperparameter_metric_tag or _DEFAULT
    text = "\n".join(source.text for source in evidence.packed)
    words = {str(node.value) for _, tree in trees.packed(evidence) for node in trees.strings(tree)}
    names = {
        keyword.arg or ""
        for _, tree in trees.packed(evidence)
        for call in trees.calls(tree)
        for keyword in call.keywords
    }
    if _reported(tag, words | names, text, evidence.runtime.tensorflow_major):
        return
    line = evidence.request.line("hyperparameterMetricTag") or evidence.request.line(
        "hyperparameters"
    )
    yield Finding(
        message=f"The job tunes {tag!r}, and nothing in the package reports a metric of that name.",
        fix="Report it: hypertune.HyperTune().report_hyperparameter_tuning_metric("
        f"hyperparameter_metric_tag={tag!r}, metric_value=…, global_step=…).",
        path=evidence.request.path,
        line=line,
        cloud="Hyperparameter trials end without a finalMetric.",
        verified=False,
    )


def _reported(tag: str, words: set[str], text: str, tensorflow: int) -> bool:
    if tag in words or ("hypertune" in text and tag == _DEFAULT):
        return True
    if any(word.endswith(f"/{tag}") for word in words):
        return True
    if "stimator" in text and tag in _OF_ESTIMATORS:
        return True
    metric = tag.removeprefix("epoch_")
    keras = tensorflow > 1 and "TensorBoard" in text and tag != metric
    return keras and (metric in words or metric == "loss")
