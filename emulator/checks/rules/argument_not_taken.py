"""The argument parser does not take an argument or a hyperparameter of the job.

Each hyperparameter is passed as `--NAME VALUE`, with the very name that it has in the
configuration. A strict parser ends with status 2; a tolerant one (`parse_known_args`)
leaves it aside, and every trial runs with the same value: that is a warning.
"""

from collections.abc import Iterator
from typing import Final

from emulator.checks import arguments
from emulator.checks.evidence import Evidence, Parser
from emulator.findings import Finding, Severity

SEVERITY: Final = Severity.ERROR
_UNKNOWN: Final = ("unrecognized arguments", "Unknown command line flag", "o such option")
_STATUS: Final = " — The replica master 0 exited with a non-zero status of {}."


def check(evidence: Evidence) -> Iterator[Finding]:
    parser = evidence.probe.parser if evidence.probe else None
    if parser is None:
        return
    yield from _hyperparameters(evidence, parser)
    yield from _arguments(evidence, parser)
    if evidence.request.given and parser.required_missing:
        yield _said(parser, parser.required_missing, "The job lacks an argument that is required.")
    unknown = any(mark in parser.message for mark in _UNKNOWN)
    if evidence.request.given and parser.exit and parser.message and not unknown:
        yield _said(parser, parser.message, "The parser refuses the arguments of the job.")


def _hyperparameters(evidence: Evidence, parser: Parser) -> Iterator[Finding]:
    for name in evidence.request.hyperparameters:
        flag = f"--{name}"
        if not name or arguments.takes(parser, flag):
            continue
        cloud = f"{arguments.refusal(parser, flag, '…')}{_STATUS.format(2)}"
        yield Finding(
            message=f"Every trial is started with {flag}, and the parser does not take it.",
            fix=f"Add the argument {flag}, or correct the parameterName.",
            path=parser.path,
            line=parser.line,
            cloud=cloud if parser.strict else "",
            verified=parser.strict and parser.kind == "argparse",
            severity=None if parser.strict else Severity.WARNING,
        )


def _arguments(evidence: Evidence, parser: Parser) -> Iterator[Finding]:
    for flag in arguments.flags(evidence):
        if flag == "--" or arguments.takes(parser, flag):
            continue
        cloud = f"{arguments.refusal(parser, flag, '')}{_STATUS.format(2)}"
        yield Finding(
            message=f"The job is started with {flag}, and the parser does not take it.",
            fix=f"Add the argument {flag.partition('=')[0]}, or leave it out of the job's args.",
            path=parser.path,
            line=parser.line,
            cloud=cloud if parser.strict else "",
            verified=parser.strict and parser.kind == "argparse",
            severity=None if parser.strict else Severity.NOTE,
        )


def _said(parser: Parser, text: str, message: str) -> Finding:
    return Finding(
        message=f"{message} {text}",
        fix="Correct the job's args, or the parser.",
        path=parser.path,
        line=parser.line,
        cloud=f"{text}{_STATUS.format(parser.exit or 2)}",
        verified=parser.kind == "argparse",
    )
