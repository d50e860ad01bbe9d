"""The served graph needs a TPU or a GPU.

No version is served on TPUs, and the mls1 machine types have no GPU. Export the graph for
serving from the CPU.
"""

from collections.abc import Iterator
from typing import Final

from emulator.exports import service
from emulator.exports.evidence import Evidence
from emulator.exports.graphs import GPU, TPU
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    tpu = sorted(op for op in evidence.graph.reachable if op.startswith(TPU))
    gpu = sorted(op for op in evidence.graph.reachable if op.startswith(GPU))
    for op in tpu + gpu:
        with_gpu = op in gpu and evidence.target.machine_type.startswith("n1-")
        yield Finding(
            message=f"A request runs {op}, which only a {'GPU' if op in gpu else 'TPU'} has.",
            fix="Export with export_to_tpu=False."
            if op in tpu
            else "Use a layer that runs on the CPU too (LSTM instead of CuDNNLSTM), or deploy to "
            "an n1 machine type with an accelerator.",
            path=evidence.place,
            cloud=service.bad_data(
                f"No OpKernel was registered to support Op '{op}' used by node …with these attrs"
            ),
            severity=Severity.WARNING if with_gpu else None,
        )
