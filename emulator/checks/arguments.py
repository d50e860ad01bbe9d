"""Which arguments a module's parser takes."""

from emulator.checks.evidence import Evidence, Parser
from emulator.checks.request import JOB_DIR


def takes(parser: Parser, flag: str) -> bool:
    """Whether a flag (``--name`` or ``--name=value``) is known, argparse's short forms included."""
    name = flag.partition("=")[0]
    names = [each for option in parser.options for each in option.names]
    if name in names:
        return True
    return parser.prefixes and any(each.startswith(name) for each in names)


def job_dir(evidence: Evidence) -> str:
    """What the service would pass as ``--job-dir``; "" if nothing."""
    request = evidence.request
    return request.training.job_dir or ("" if request.path else JOB_DIR)


def flags(evidence: Evidence) -> list[str]:
    """The flags among the user's own arguments."""
    return [each for each in evidence.request.training.args if each.startswith("--")]


def refusal(parser: Parser, flag: str, value: str) -> str:
    """What the parser says on standard error to a flag that it does not take."""
    if parser.kind == "absl":
        return f"FATAL Flags parsing error: Unknown command line flag '{flag.lstrip('-')}'"
    if parser.kind == "click":
        return f"Error: no such option: {flag}"
    name = parser.path.rpartition("/")[2] or "task.py"
    return f"{name}: error: unrecognized arguments: {' '.join(filter(None, (flag, value)))}"
