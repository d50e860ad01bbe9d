"""How the service rates a line of output (service reference §4.6)."""

import re
from typing import Final

import msgspec

from emulator.cluster import Line

_LETTERS: Final = {"D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR", "F": "CRITICAL"}
_LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})

# «2020-01-31 12:00:00.123456: I tensorflow/core/x.cc:142] message», the time is optional
_TENSORFLOW: Final = re.compile(
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: )?([DIWEF]) ([\w./+-]+):(\d+)\] (.*)", re.DOTALL
)
# «E0131 12:00:00.123456789    17 x.cc:12] message»
_GRPC: Final = re.compile(
    r"([DIWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ([\w./+-]+):(\d+)\] (.*)", re.DOTALL
)


class Rated(msgspec.Struct, frozen=True):
    """A line as a log entry shows it."""

    severity: str
    message: str
    path: str = ""
    lineno: int = 0


def rate(line: Line) -> Rated:
    """Answer severity and place of a line: its logging record's, TensorFlow's, or its stream's."""
    if line.stream == "log":
        level = line.level if line.level in _LEVELS else "INFO"
        return Rated(level, line.text, line.path, line.lineno)
    if line.stream == "stdout":
        return Rated("INFO", line.text)
    found = _TENSORFLOW.fullmatch(line.text) or _GRPC.fullmatch(line.text)
    if found is None:
        return Rated("ERROR", line.text)
    letter, path, lineno, message = found.groups()
    return Rated(_LETTERS[letter], message, path, int(lineno))
