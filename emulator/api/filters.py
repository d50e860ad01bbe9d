"""Google's filter language: comparisons joined by AND, OR and NOT, OR binding tighter than AND.

``parse`` reads it, ``matches`` asks a JSON document, ``floor`` and ``values`` say what a
filter demands of one field, so that a reader need not look at everything.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

_T = TypeVar("_T", int, str)

MAX_LENGTH: Final = 20_000
MAX_DEPTH: Final = 50

_SPACE: Final = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z))+")
_QUOTED: Final = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_NAME: Final = re.compile(rf"(?:{_QUOTED}|[^\s()<>=!:~\"',])+", re.DOTALL)
_VALUE: Final = re.compile(rf"(?:{_QUOTED})|[^\s()<>=!~\"',]+", re.DOTALL)
_PART: Final = re.compile(rf"({_QUOTED})|([^.\"']+)|\.", re.DOTALL)
_OPERATOR: Final = re.compile(r"<=|>=|!=|!~|=~|=|<|>|:")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?"
)

SEVERITIES: Final = {
    name: rank * 100
    for rank, name in enumerate(
        ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"]
    )
}
_TIME_FIELDS: Final = frozenset({"timestamp", "receiveTimestamp", "createTime", "startTime"})


class FilterError(ValueError):
    """The text is no filter; the message says where it goes wrong."""


class And(msgspec.Struct, frozen=True):
    terms: tuple["Node", ...]


class Or(msgspec.Struct, frozen=True):
    terms: tuple["Node", ...]


class Not(msgspec.Struct, frozen=True):
    term: "Node"


class Compare(msgspec.Struct, frozen=True):
    """``resource.labels.job_id = "x"``; an empty path searches the whole document."""

    path: tuple[str, ...]
    operator: str
    value: str


Node = And | Or | Not | Compare
EVERYTHING: Final = And(())


def parse(text: str) -> Node:
    """Read a filter; FilterError if it is none. An empty one matches everything."""
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter has at most {MAX_LENGTH} characters")
    parser = _Parser(text)
    node = EVERYTHING if parser.at_end() else parser.conjunction(0)
    if not parser.at_end():
        raise parser.error()
    return node


def time_ns(text: str) -> int | None:
    """Nanoseconds since the epoch of an RFC 3339 time or a date; None if it is neither."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    clock = clock or "00:00:00"
    seconds = clock if clock.count(":") > 1 else f"{clock}:00"
    try:
        when = msgspec.convert(f"{day}T{seconds}{zone or 'Z'}", datetime)
    except msgspec.ValidationError:
        return None
    return int(when.timestamp()) * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


def floor(node: Node, name: str, read: Callable[[str], _T | None]) -> _T | None:
    """The least value of the field that can match, as ``read`` reads it; None if any may."""
    match node:
        case Compare(path=(field,), operator=">=" | ">" | "=", value=value) if field == name:
            return read(value)
        case And(terms=terms):
            bounds = [bound for term in terms if (bound := floor(term, name, read)) is not None]
            return max(bounds, default=None)
        case Or(terms=terms):
            floors = [floor(term, name, read) for term in terms]
            known = [bound for bound in floors if bound is not None]
            return min(known) if known and len(known) == len(floors) else None
        case _:
            return None


def values(node: Node, path: tuple[str, ...]) -> frozenset[str] | None:
    """The only values of the field that can match; None if any may."""
    match node:
        case Compare(path=given, operator="=", value=value) if given == path:
            return frozenset({value})
        case And(terms=terms):
            sets = [found for term in terms if (found := values(term, path)) is not None]
            return frozenset.intersection(*sets) if sets else None
        case Or(terms=terms):
            found_sets = [values(term, path) for term in terms]
            known = [found for found in found_sets if found is not None]
            return frozenset.union(*known) if known and len(known) == len(found_sets) else None
        case _:
            return None


def matches(node: Node, document: dict[str, Any], *, whole_words: bool = False) -> bool:
    """Ask a JSON document; with ``whole_words``, ``:`` means the whole value or ``prefix*``."""
    match node:
        case And(terms=terms):
            return all(matches(term, document, whole_words=whole_words) for term in terms)
        case Or(terms=terms):
            return any(matches(term, document, whole_words=whole_words) for term in terms)
        case Not(term=term):
            return not matches(term, document, whole_words=whole_words)
        case Compare(path=()):
            return any(_contains(text, node.value) for text in _texts(document))
        case Compare():
            found = _look_up(document, node.path)
            return any(_compare(node, value, whole_words=whole_words) for value in found)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._skip()

    def at_end(self) -> bool:
        return self.position == len(self.text)

    def error(self) -> FilterError:
        line = self.text.count("\n", 0, self.position) + 1
        column = self.position - (self.text.rfind("\n", 0, self.position) + 1) + 1
        rest = self.text[self.position : self.position + 20]
        token = f"token '{rest}'" if rest else "unexpected end"
        return FilterError(f"syntax error at line {line}, column {column}, {token}")

    def conjunction(self, depth: int) -> Node:
        """Terms with AND, or nothing, between them."""
        if depth > MAX_DEPTH:
            raise FilterError("the filter is nested too deeply")
        terms = [self._disjunction(depth)]
        while not self.at_end() and not self._peek(")"):
            self._word("AND")
            terms.append(self._disjunction(depth))
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _disjunction(self, depth: int) -> Node:
        terms = [self._negation(depth)]
        while self._word("OR"):
            terms.append(self._negation(depth))
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _negation(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise FilterError("the filter is nested too deeply")
        if self._word("NOT") or self._take("-"):
            return Not(self._negation(depth + 1))
        if self._take("("):
            return self._closed(self.conjunction(depth + 1))
        return self._term(depth)

    def _term(self, depth: int) -> Node:
        name = self._match(_NAME)
        if name is None or name in {"AND", "OR"}:
            raise self.error()
        operator = self._match(_OPERATOR)
        if operator is None:
            return Compare((), ":", _unquoted(name))
        path = _path(name)
        if not path:
            raise self.error()
        if self._take("("):
            return self._closed(self._options(path, operator, depth + 1))
        value = self._match(_VALUE)
        if value is None:
            raise self.error()
        return _comparison(path, operator, _unquoted(value))

    def _options(self, path: tuple[str, ...], operator: str, depth: int) -> Node:
        """``("a" OR "b")`` after an operator."""
        if depth > MAX_DEPTH:
            raise FilterError("the filter is nested too deeply")
        terms: list[Node] = []
        joined = Or
        while True:
            value = self._match(_VALUE)
            if value is None:
                raise self.error()
            terms.append(_comparison(path, operator, _unquoted(value)))
            if self._word("AND"):
                joined = And  # type: ignore[assignment]
            elif not self._word("OR"):
                return joined(tuple(terms))

    def _closed(self, node: Node) -> Node:
        if not self._take(")"):
            raise self.error()
        return node

    def _skip(self) -> None:
        if found := _SPACE.match(self.text, self.position):
            self.position = found.end()

    def _peek(self, token: str) -> bool:
        return self.text.startswith(token, self.position)

    def _take(self, token: str) -> bool:
        if not self._peek(token):
            return False
        self.position += len(token)
        self._skip()
        return True

    def _word(self, word: str) -> bool:
        found = _NAME.match(self.text, self.position)
        return found is not None and found[0] == word and self._take(word)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        self._skip()
        return found[0]


def _comparison(path: tuple[str, ...], operator: str, value: str) -> Node:
    if operator in {"=~", "!~"}:
        try:
            re.compile(value)
        except re.error as error:
            raise FilterError(f"invalid regular expression '{value}': {error}") from None
    if operator[0] == "!":
        return Not(Compare(path, "=~" if operator == "!~" else "=", value))
    return Compare(path, operator, value)


def _unquoted(token: str) -> str:
    if token[:1] in {'"', "'"} and token[-1:] == token[:1] and len(token) > 1:
        return _ESCAPE.sub(r"\1", token[1:-1])
    return token


def _path(token: str) -> tuple[str, ...]:
    """``labels."a.b/c".x`` → ``("labels", "a.b/c", "x")``."""
    return tuple(
        _unquoted(found[1] or found[2]) for found in _PART.finditer(token) if found[0] != "."
    )


def _look_up(value: Any, path: Iterable[str]) -> list[Any]:
    found = [value]
    for name in path:
        below = [item[key] for item in found if isinstance(item, dict) if (key := _key(item, name))]
        found = [one for item in below for one in (item if isinstance(item, list) else [item])]
    return found


def _key(document: dict[str, Any], name: str) -> str:
    """A name as it is, or in camelCase; "" if it is not there."""
    head, *rest = name.split("_")
    camel = head + "".join(part.capitalize() for part in rest)
    return name if name in document else camel if camel in document else ""


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    else:
        yield str(value)


def _compare(node: Compare, value: Any, *, whole_words: bool) -> bool:
    match node.operator:
        case ":":
            return _has(value, node.value, whole_words=whole_words)
        case "=~":
            return re.search(node.value, _text(value)) is not None
        case operator:
            left, right = _sides(node.path[-1], value, node.value)
            return _ORDER[operator](left, right)


_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _sides(name: str, value: Any, given: str) -> tuple[Any, Any]:
    """Both sides of a comparison in one type: times, severities, numbers, else text."""
    if name == "severity":
        ranks = (SEVERITIES.get(str(value).upper()), _rank(given))
        return ranks if None not in ranks else (str(value), given)
    if name in _TIME_FIELDS:
        times = (time_ns(str(value)), time_ns(given))
        return times if None not in times else (str(value), given)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value), float(given)
        except (ValueError, OverflowError):
            return str(value), given
    return _text(value), given


def _rank(severity: str) -> int | None:
    return int(severity) if severity.isdecimal() else SEVERITIES.get(severity.upper())


def _has(value: Any, given: str, *, whole_words: bool) -> bool:
    if given == "*":
        return True
    text = _text(value)
    if not whole_words:
        return _contains(text, given)
    return text.startswith(given[:-1]) if given.endswith("*") else text == given


def _contains(text: str, given: str) -> bool:
    return given.casefold() in text.casefold()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
