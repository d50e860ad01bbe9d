from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.storage.fields import parse, select

DOCUMENT = {
    "kind": "k",
    "items": [{"name": "a", "size": "1", "acl": [{"role": "r", "entity": "e"}]}, {"name": "b"}],
    "nextPageToken": "t",
}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        ("kind", {"kind": "k"}),
        ("items/name", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("items(name),kind", {"items": [{"name": "a"}, {"name": "b"}], "kind": "k"}),
        ("items(acl/role)", {"items": [{"acl": [{"role": "r"}]}, {}]}),
        ("items/acl(role,entity)", {"items": [{"acl": [{"role": "r", "entity": "e"}]}, {}]}),
        ("items/name, items/size", {"items": [{"name": "a", "size": "1"}, {"name": "b"}]}),
        ("items/name,items", {"items": DOCUMENT["items"]}),
        ("items,items/name", {"items": DOCUMENT["items"]}),
        ("*", DOCUMENT),
        ("*/name", {"kind": "k", "items": [{"name": "a"}, {"name": "b"}], "nextPageToken": "t"}),
        ("unknown", {}),
    ],
)
def test_selections(fields: str, selected: dict[str, Any]) -> None:
    assert select(DOCUMENT, parse(fields)) == selected


@pytest.mark.parametrize("fields", ["", "a,,b", "a(", "a(b", "a)", "a//b", "(a)", "a/"])
def test_nonsense(fields: str) -> None:
    with pytest.raises(ValueError, match="Invalid field selection"):
        parse(fields)


@given(st.text("ab/(),* ", max_size=20))
def test_any_text_is_read_or_refused(fields: str) -> None:
    try:
        selection = parse(fields)
    except ValueError:
        return
    assert select({"a": [{"b": 1}], "b": {"a": {"b": 2}}}, selection) is not None
