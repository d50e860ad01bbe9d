"""The job has parameter servers and no workers.

Only the first replica trains then, and every variable travels over the network for it: the
job is slower than without them. ParameterServerStrategy of TensorFlow 2 has nobody to train
at all and waits.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.WARNING


def check(evidence: Evidence) -> Iterator[Finding]:
    request = evidence.request
    count = request.training.parameter_server_count
    if count <= 0 or request.training.worker_count > 0:
        return
    yield Finding(
        message=f"The job asks for {count} parameter servers and for no worker.",
        fix="Ask for workers, too (workerType and workerCount), or leave the servers out.",
        path=request.path,
        line=request.line("parameterServerCount"),
        cloud="The job runs, and bills the parameter servers.",
    )
