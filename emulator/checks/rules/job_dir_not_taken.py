"""The argument parser does not take --job-dir, which the service passes.

A job with a `jobDir` gets `--job-dir DIR` after its own arguments, as two items. A strict
parser that does not know it ends with status 2. It is a warning where no job was named
whose `jobDir` says that it will be passed.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks import arguments
from emulator.checks.evidence import Evidence
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR


def check(evidence: Evidence) -> Iterator[Finding]:
    parser = evidence.probe.parser if evidence.probe else None
    folder = arguments.job_dir(evidence)
    if parser is None or not folder or not parser.strict or arguments.takes(parser, "--job-dir"):
        return
    named = bool(evidence.request.training.job_dir)
    yield Finding(
        message="The service passes --job-dir, and this parser does not take it."
        + ("" if named else " (Only a job without jobDir would start.)"),
        fix='Add parser.add_argument("--job-dir"), or parse with parse_known_args().'
        if parser.kind == "argparse"
        else "Declare an option of that very name, with the dash, or ignore unknown ones.",
        path=parser.path,
        line=parser.line,
        cloud=f"{arguments.refusal(parser, '--job-dir', folder)} — The replica master 0 exited "
        "with a non-zero status of 2.",
        verified=parser.kind == "argparse",
        severity=None if named else Severity.WARNING,
    )
