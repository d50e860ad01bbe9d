from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.storage.index import Index
from emulator.storage.listing import Query, after, page
from emulator.storage.values import Bucket, Object
from tests.storage.conftest import Bucket as LiveBucket

NAMES = ["a", "a/", "a/b", "a/b/c", "a//b", "a0", "b", "d/e/f", "d/g", "é", "z\U0001f600", "zﬀ"]


def filled(path: Path, names: list[str]) -> Index:
    index = Index(path)
    with index.transaction():
        index.insert_bucket(Bucket("b", "p", 0, 0))
        for name in names:
            index.put(Object("b", name, 0, 1, 0, 0, b"", 0, 0))
    return index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    opened = filled(tmp_path_factory.mktemp("listing") / "index.db", NAMES)
    yield opened
    opened.close()


def listed(index: Index, query: Query) -> tuple[list[str], list[str]]:
    """All pages together: names and prefixes."""
    names, prefixes = [], []
    while True:
        found = page(index, "b", query)
        assert len(found.items) + len(found.prefixes) <= query.max_results + 1
        names += [item.name for item in found.items]
        prefixes += found.prefixes
        if not found.next_token:
            return names, prefixes
        query = msgspec.structs.replace(query, page_token=found.next_token)


def modelled(names: list[str], query: Query) -> tuple[list[str], list[str]]:
    """The same by the definition."""
    items, prefixes = [], []
    for name in sorted(names, key=str.encode):
        text = name.encode()
        if not name.startswith(query.prefix) or text < query.start_offset.encode():
            continue
        if query.end_offset and text >= query.end_offset.encode():
            continue
        rest = name.removeprefix(query.prefix)
        if query.delimiter and query.delimiter in rest:
            folder = query.prefix + rest.partition(query.delimiter)[0] + query.delimiter
            if folder not in prefixes:
                prefixes.append(folder)
            if query.trailing_delimiter and name == folder:
                items.append(name)
        else:
            items.append(name)
    return items, prefixes


def test_order_is_that_of_utf8_bytes(index: Index) -> None:
    names, _ = listed(index, Query())

    assert names == [
        "a",
        "a/",
        "a//b",
        "a/b",
        "a/b/c",
        "a0",
        "b",
        "d/e/f",
        "d/g",
        "zﬀ",
        "z\U0001f600",
        "é",
    ]


TEXTS = st.text("a/bé\U0001f600", max_size=4)


@given(
    names=st.lists(TEXTS.filter(bool), unique=True, max_size=12),
    query=st.builds(
        Query,
        prefix=TEXTS,
        delimiter=st.sampled_from(["", "/", "b", "//"]),
        start_offset=TEXTS,
        end_offset=TEXTS,
        max_results=st.integers(1, 5),
        trailing_delimiter=st.booleans(),
    ),
)
@settings(max_examples=150, deadline=None)
def test_pages_together_are_what_the_definition_says(names: list[str], query: Query) -> None:
    index = filled(Path(":memory:"), names)
    try:
        assert listed(index, query) == modelled(names, query)
    finally:
        index.close()


def test_folders_are_stepped_over(tmp_path: Path) -> None:
    """However much is in a folder, one look is enough."""
    index = filled(tmp_path / "index.db", [f"big/{number:05}" for number in range(30_000)] + ["z"])
    try:
        found = page(index, "b", Query(delimiter="/"))
    finally:
        index.close()

    assert (found.prefixes, [item.name for item in found.items]) == (["big/"], ["z"])
    assert not found.next_token  # a look at each would have ended the page early


def test_the_first_name_behind_a_prefix() -> None:
    assert after(b"") is None
    assert after(b"a") == b"b"
    assert after(b"a\xff") == b"b"


@pytest.mark.parametrize(
    "query",
    [
        Query(page_token="?"),  # noqa: S106 no password
        Query(match_glob="{a"),
        Query(match_glob="a}"),
    ],
    ids=repr,
)
def test_nonsense_is_refused(index: Index, query: Query) -> None:
    with pytest.raises(ValueError, match=r"token|brace"):
        page(index, "b", query)


def test_globs_filter(index: Index) -> None:
    assert listed(index, Query(match_glob="a/*")) == (["a/", "a/b"], [])
    assert listed(index, Query(match_glob="{d/**,b}"))[0] == ["b", "d/e/f", "d/g"]
    assert listed(index, Query(match_glob="d/*", delimiter="/", prefix="d/")) == (["d/g"], [])


def test_a_listing_over_http(bucket: LiveBucket) -> None:
    for name in NAMES:
        bucket.put(name)

    first = bucket.listing(maxResults=5, delimiter="/", includeTrailingDelimiter="true")
    rest = bucket.listing(
        maxResults=5,
        delimiter="/",
        includeTrailingDelimiter="true",
        pageToken=first["nextPageToken"],
    )

    assert (first["prefixes"], rest["prefixes"]) == (["a/"], ["d/"])
    assert [item["name"] for item in first["items"]] == ["a", "a/", "a0", "b"]
    assert [item["name"] for item in rest["items"]] == ["zﬀ", "z\U0001f600", "é"]
    assert bucket.listing(prefix="none") == {"kind": "storage#objects"}
    assert bucket.listing(fields="items/name", prefix="d/", versions="true") == {
        "items": [{"name": "d/e/f"}, {"name": "d/g"}]
    }
    assert bucket.listing(startOffset="d", endOffset="d/g", fields="items(name,size)") == {
        "items": [{"name": "d/e/f", "size": "0"}]
    }
    wrong = bucket.client.get(f"{bucket.path}/o", params={"maxResults": "many"})
    assert (wrong.status_code, wrong.json()["error"]["errors"][0]["reason"]) == (400, "invalid")
