"""Requirements such as ``numpy>=1.20,<2``: their names, and the versions that they allow."""

import re
from typing import Final

import msgspec

_FORM: Final = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;@)]*)\)?\s*(;.*)?")
_CLAUSE: Final = re.compile(r"(===|~=|==|!=|<=|>=|<|>)\s*([\w.*+!-]+)")
_NUMBERS: Final = re.compile(r"\d+")


class Requirement(msgspec.Struct, frozen=True):
    """``text`` as it is written, ``name`` in its canonical form, clauses of (operator, version)."""

    text: str
    name: str
    clauses: tuple[tuple[str, str], ...] = ()

    def allows(self, version: str) -> bool:
        """Whether a version satisfies every clause; none at all satisfies nothing."""
        return bool(version) and all(_holds(version, *clause) for clause in self.clauses)


def parse(text: str) -> Requirement | None:
    """Read one requirement; None for what is none (a URL, an option, a comment)."""
    plain = text.partition("#")[0].strip()
    found = _FORM.fullmatch(plain)
    if found is None or plain.startswith("-"):
        return None
    return Requirement(plain, canonical(found[1]), tuple(_CLAUSE.findall(found[2] or "")))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _holds(version: str, operator: str, wanted: str) -> bool:
    if wanted.endswith(".*"):
        prefix = _release(wanted.removesuffix(".*"))
        same = _release(version)[: len(prefix)] == prefix
        return same if operator == "==" else not same
    ours, theirs = _padded(version, wanted)
    if operator == "~=":
        prefix = _release(wanted)[:-1]
        return ours >= theirs and _release(version)[: len(prefix)] == prefix
    return {
        "===": ours == theirs,
        "==": ours == theirs,
        "!=": ours != theirs,
        "<=": ours <= theirs,
        ">=": ours >= theirs,
        "<": ours < theirs,
        ">": ours > theirs,
    }[operator]


def _release(version: str) -> tuple[int, ...]:
    """The numbers before any suffix (``1.0rc1`` → 1, 0)."""
    plain = re.match(r"v?\d+(?:\.\d+)*", version)
    return tuple(map(int, _NUMBERS.findall(plain[0]))) if plain else ()


def _padded(one: str, other: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    first, second = _release(one), _release(other)
    length = max(len(first), len(second))
    return first + (0,) * (length - len(first)), second + (0,) * (length - len(second))
