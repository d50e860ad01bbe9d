"""The SavedModel does not have exactly one graph tagged "serve"."""

from collections.abc import Iterator
from typing import Final

from emulator.deployment import flaw
from emulator.exports.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    if evidence.model is None or evidence.served is not None:
        return
    tags = [", ".join(graph.tags) or "(no tag)" for graph in evidence.model.meta_graphs]
    yield Finding(
        message=f"No one graph has the tag serve alone; its graphs have: {'; '.join(tags)}.",
        fix="Export with tags=[tf.saved_model.SERVING], or with tf.saved_model.save or an "
        "estimator's exporter, which do so by themselves.",
        path=evidence.place,
        cloud=flaw(evidence.model) or "",
        verified=True,
    )
