"""The text format of protocol buffers: the fields that a schema names, in the wire format."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from emulator.wire import WireError, encode

# A schema maps a field's name to its number and to what it holds: another schema for a message,
# TEXT, NUMBER, or an Enum. Fields that it lacks are passed over.
Schema = Mapping[str, tuple[int, Any]]
TEXT: Final = str
NUMBER: Final = int


class Enum(dict[str, int]):
    """The numbers of an enum's names."""


_TOKEN: Final = re.compile(
    r"""(?:\s|\#[^\n]*)*
    (?: (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
      | (?P<word> [\w.+/-]+ )
      | (?P<mark> [{}<>:,;\[\]] )
      | (?P<end> \Z ) )""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_ESCAPED: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_SWITCHES: Final[Mapping[str, int]] = {"true": 1, "True": 1, "t": 1, "false": 0, "False": 0, "f": 0}
_OPENS: Final = {"{": "}", "<": ">"}

Token = tuple[str, str]  # kind and text


class _Frame:
    """A message that is being read: what it may hold, what closes it, what it has so far."""

    __slots__ = ("closing", "number", "out", "schema")

    def __init__(self, schema: Schema, closing: str, number: int) -> None:
        self.schema = schema
        self.closing = closing
        self.number = number  # in the message around it; 0 if nobody wants it
        self.out = bytearray()


def to_wire(document: str, schema: Schema) -> bytes:
    """A message's known fields in the wire format; WireError if it is no text format."""
    tokens = _tokens(document)
    stack = [_Frame(schema, "", 1)]
    while True:
        kind, text = next(tokens)
        frame = stack[-1]
        if kind == "end" or (kind == "mark" and text == frame.closing):
            if text != frame.closing:
                raise WireError(f"the text ends before {frame.closing!r}")
            if len(stack) == 1:
                return bytes(frame.out)
            stack.pop()
            if frame.number:
                stack[-1].out += encode(frame.number, bytes(frame.out))
        elif kind == "word" or text == "[":
            name = text if kind == "word" else _extension(tokens)
            number, holds = frame.schema.get(name, (0, None))
            if closing := _field(tokens, frame, number, holds):
                inner = {} if not isinstance(holds, Mapping) or isinstance(holds, Enum) else holds
                stack.append(_Frame(inner, closing, number))
        elif text not in {",", ";"}:
            raise WireError(f"an unexpected {text[:20]!r} in the text")


def _field(tokens: Iterator[Token], frame: _Frame, number: int, holds: Any) -> str:
    """Read a field's value into the frame, or answer what closes the message that follows."""
    kind, text = next(tokens)
    if (kind, text) == ("mark", ":"):
        kind, text = next(tokens)
    if kind == "mark" and text in _OPENS:
        return _OPENS[text]
    if kind == "mark" and text == "[":
        for item_kind, item in tokens:
            if item == "]" and item_kind == "mark":
                return ""
            if item_kind in {"string", "word"}:
                _put(frame, number, holds, item)
            elif item != ",":
                raise WireError(f"an unexpected {item[:20]!r} in a list")
    if kind not in {"string", "word"}:
        raise WireError(f"an unexpected {text[:20]!r} where a value belongs")
    _put(frame, number, holds, text)
    return ""


def _put(frame: _Frame, number: int, holds: Any, text: str) -> None:
    if not number:
        return
    if holds is TEXT and text[0] in "\"'":
        frame.out += encode(number, _unescaped(text[1:-1]))
    elif holds is NUMBER or isinstance(holds, Enum):
        names: Mapping[str, int] = holds if isinstance(holds, Enum) else _SWITCHES
        try:
            frame.out += encode(number, names[text] if text in names else int(text, 0))
        except ValueError:
            raise WireError(f"{text[:20]!r} where a number belongs") from None
    else:
        raise WireError(f"{text[:20]!r} where something else belongs")


def _extension(tokens: Iterator[Token]) -> str:
    """The name in brackets of a field that no schema has."""
    name, closing = next(tokens), next(tokens)
    if name[0] != "word" or closing != ("mark", "]"):
        raise WireError("a field's name in brackets is broken")
    return f"[{name[1]}]"


def _tokens(document: str) -> Iterator[Token]:
    """The tokens of a text, then its end for ever."""
    position = 0
    while True:
        found = _TOKEN.match(document, position)
        if found is None:
            raise WireError(f"no text format at character {position}")
        kind = found.lastgroup or "end"
        yield kind, found[kind]
        position = found.end()


def _unescaped(text: str) -> bytes:
    if "\\" not in text:
        return text.encode()
    out = bytearray()
    position = 0
    for found in _ESCAPE.finditer(text):
        out += text[position : found.start()].encode()
        position = found.end()
        octal, hexadecimal, letter = found.groups()
        if octal:
            out.append(int(octal, 8) & 0xFF)
        elif hexadecimal:
            out.append(int(hexadecimal, 16))
        elif letter in _ESCAPED:
            out.append(_ESCAPED[letter])
        else:
            out += letter.encode()
    return bytes(out + text[position:].encode())
