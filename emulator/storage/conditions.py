"""Preconditions on generations, of queries and of headers."""

from collections.abc import Mapping
from typing import Final

from emulator.storage.refusals import invalid, not_modified, precondition_failed

NAMES: Final = (
    "ifGenerationMatch",
    "ifGenerationNotMatch",
    "ifMetagenerationMatch",
    "ifMetagenerationNotMatch",
)
_HEADERS: Final = {
    "x-goog-if-generation-match": "ifGenerationMatch",
    "x-goog-if-generation-not-match": "ifGenerationNotMatch",
    "x-goog-if-metageneration-match": "ifMetagenerationMatch",
    "x-goog-if-metageneration-not-match": "ifMetagenerationNotMatch",
}
Conditions = dict[str, int]


def of_params(params: Mapping[str, str], prefix: str = "if") -> Conditions:
    """``prefix`` "ifSource" reads the conditions on the source of a copy."""
    found = {}
    for name in NAMES:
        given = prefix + name.removeprefix("if")
        if given in params:
            found[name] = number(params[given], given)
    return found


def of_headers(headers: Mapping[str, str]) -> Conditions:
    """The XML API's headers."""
    return {name: number(headers[key], key) for key, name in _HEADERS.items() if key in headers}


def number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise invalid(f"Invalid value for {name}: '{text}'") from None


def check(
    conditions: Conditions, metageneration: int, generation: int = 0, *, reading: bool = False
) -> None:
    """Refuse unless all hold; ``generation`` 0 says that there is no such object.

    Reading what is not new answers 304 instead of 412.
    """
    numbers = {"Generation": generation, "Metageneration": metageneration}
    for name, wanted in conditions.items():
        kind = name.removeprefix("if").removesuffix("Match").removesuffix("Not")
        negated = name.endswith("NotMatch")
        if (numbers[kind] == wanted) == negated:
            raise not_modified() if negated and reading else precondition_failed()
