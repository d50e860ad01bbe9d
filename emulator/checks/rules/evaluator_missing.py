"""An Estimator is trained by a `chief`, and nobody evaluates and exports it.

From runtime version 2.1 on the first replica is `chief`, on every tier: an Estimator trains
there and leaves evaluation and exporters to an evaluator. Without one the job SUCCEEDED and
exported nothing. A package that exports by itself or writes TF_CONFIG anew is left alone.
"""

import ast
from collections.abc import Iterator
from typing import Final

from emulator.checks import estimators, trees
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity
from emulator.tf_config import primary

SEVERITY: Final = Severity.WARNING
_EXPORTS: Final = (
    ".export_saved_model",
    ".export_savedmodel",
    ".experimental_export_all_saved_models",
)


def check(evidence: Evidence) -> Iterator[Finding]:
    request, version = evidence.request, evidence.runtime.version
    if request.training.evaluator_count > 0 or not version or primary(version) != "chief":
        return
    if any(_exports(tree) for _, tree in trees.packed(evidence)):
        return
    for source, call in estimators.trained_and_evaluated(evidence):
        yield Finding(
            message=f"In runtime version {version} the first replica is a chief, which trains "
            "only; the job has no evaluator, so nothing is evaluated or exported.",
            fix="Ask for one (scaleTier CUSTOM, evaluatorType, evaluatorCount: 1), or export "
            "after the training by estimator.export_saved_model.",
            path=source.path,
            line=call.lineno,
            cloud="Job completed successfully. (And nothing is exported.)",
        )


def _exports(tree: ast.Module) -> bool:
    return any(trees.dotted(call.func).endswith(_EXPORTS) for call in trees.calls(tree))
