"""Partial answers: the ``fields`` parameter of Google's JSON APIs."""

from typing import Any, TypeAlias

Selection: TypeAlias = dict[str, "Selection"]  # empty: all of it


def parse(text: str) -> Selection:
    """``items(name,acl/entity),nextPageToken`` as a tree; ValueError if it is none."""
    selection, rest = _list(text)
    if rest:
        raise ValueError(f"Invalid field selection {text}")
    return selection


def select(document: Any, selection: Selection) -> Any:
    """Of a document what was selected; a list's selection is that of its elements."""
    if not selection:
        return document
    if isinstance(document, list):
        return [select(element, selection) for element in document]
    if not isinstance(document, dict):
        return document
    every = selection.get("*")
    chosen = {}
    for name, value in document.items():
        wanted = selection.get(name, every)
        if wanted is not None:
            chosen[name] = select(value, wanted)
    return chosen


def _list(text: str) -> tuple[Selection, str]:
    selection: Selection = {}
    while True:
        text = _one(text.lstrip(), selection).lstrip()
        if not text.startswith(","):
            return selection, text
        text = text[1:]


def _one(text: str, selection: Selection) -> str:
    """Read one path, put it into the tree, answer the rest."""
    end = next((at for at, char in enumerate(text) if char in ",()/"), len(text))
    name, rest = text[:end].strip(), text[end:]
    if not name:
        raise ValueError("Invalid field selection: a name is missing.")
    known = selection.get(name)
    if rest.startswith("/"):
        inner: Selection = {}
        rest = _one(rest[1:], inner)
    elif rest.startswith("("):
        inner, rest = _list(rest[1:])
        if not rest.startswith(")"):
            raise ValueError("Invalid field selection: a parenthesis is open.")
        rest = rest[1:]
    else:
        selection[name] = {}
        return rest
    if known is None or known:  # the whole of it was not asked for before
        selection[name] = {**(known or {}), **inner}
    return rest
