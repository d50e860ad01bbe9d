"""TensorFlow's operations by version: which a runtime has, and with which attributes."""

from functools import cache
from typing import Final

from emulator.exports.evidence import Operations
from emulator.shipped import DATA

_FILE: Final = DATA / "ops" / "operations.txt"


@cache
def _lines() -> dict[str, tuple[str, ...]]:
    """Lines by the versions, "1.15 2.11", that have them."""
    found: dict[str, tuple[str, ...]] = {}
    for section in _FILE.read_text(encoding="ascii").split("\n[")[1:]:
        heading, _, body = section.partition("]\n")
        found[heading] = tuple(body.splitlines())
    return found


def versions() -> tuple[str, ...]:
    """The TensorFlow versions whose operations are known: major and minor."""
    return tuple(sorted({version for heading in _lines() for version in heading.split()}))


def of(tensorflow: str) -> Operations | None:
    """The operations of a TensorFlow version such as "1.15.5"; None if they are not known."""
    version = ".".join(tensorflow.split(".")[:2])
    if version not in versions():
        return None
    attributes: dict[str, frozenset[str]] = {}
    elsewhere: dict[str, str] = {}
    for heading, lines in _lines().items():
        here = version in heading.split()
        for line in lines:
            name, *names = line.split(" ")
            if here:
                attributes[name] = frozenset(names)
            else:
                elsewhere[name] = heading
    only = {name: heading for name, heading in elsewhere.items() if name not in attributes}
    return Operations(version, attributes, only)
