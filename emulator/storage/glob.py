"""Cloud Storage's glob patterns, as ``matchGlob`` and its clients take them."""

import re
from typing import Final

_SPECIAL: Final = re.compile(
    r"(?P<deep>\*\*)|(?P<star>\*)|(?P<any>\?)|(?P<set>\[(?P<not>[!^]?)(?P<chars>\]?[^\]]*)\])"
    r"|(?P<open>\{)|(?P<comma>,)|(?P<close>\})|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


def compiled(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` stay within a folder, ``**`` does not; sets and alternatives as usual.

    Raises ValueError when braces or a set's range make no sense.
    """
    depth = 0
    parts = []
    for match in _SPECIAL.finditer(pattern):
        kind = match.lastgroup
        depth += (kind == "open") - (kind == "close")
        if depth < 0:
            raise ValueError("A brace is closed that was not opened.")
        parts.append(_part(match, in_braces=depth > 0))
    if depth:
        raise ValueError("A brace is opened and not closed.")
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise ValueError(str(error)) from error


def literal_prefix(pattern: str) -> str:
    """What every match begins with."""
    return re.split(r"[*?\[{\\]", pattern, maxsplit=1)[0]


def _part(match: re.Match[str], *, in_braces: bool) -> str:
    if match["set"]:
        chars = re.sub(r"([\\\[\]^&~|])", r"\\\1", match["chars"])
        return f"[{'^/' if match['not'] else ''}{chars}]"
    if match["comma"]:
        return "|" if in_braces else ","
    if match["escaped"] or match["plain"]:
        return re.escape(match["escaped"] or match["plain"])
    return {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}[match[0]]
