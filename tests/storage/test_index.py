from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.storage.index import Index
from emulator.storage.values import Bucket, Object, Part, Session


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    opened = Index(tmp_path / "index.db", now_us=lambda: 1_000)
    opened.insert_bucket(Bucket("b", "p", 0, 0))
    yield opened
    opened.close()


def made(name: str, *parts: Part) -> Object:
    return Object("b", name, 0, 1, sum(part.size for part in parts), 0, b"", 0, 0, parts)


def reserved(index: Index, *ids: str) -> tuple[Part, ...]:
    for part_id in ids:
        index.reserve(part_id)
    return tuple(Part(part_id, 1) for part_id in ids)


def test_generations_grow_though_the_clock_stands(index: Index) -> None:
    generations = [index.put(made("o")).generation for _ in range(3)]

    assert generations == [1000, 1001, 1002]


def test_generations_grow_over_a_restart_with_the_clock_put_back(tmp_path: Path) -> None:
    for now, expected in ((5_000, 5_000), (1, 5_001)):
        index = Index(tmp_path / "index.db", now_us=lambda now=now: now)  # type: ignore[misc]
        if index.bucket("b") is None:
            index.insert_bucket(Bucket("b", "p", 0, 0))
        assert index.put(made("o")).generation == expected
        index.delete("b", "o")
        index.close()


def test_values_come_back_as_they_were(index: Index) -> None:
    bucket = Bucket("c", "q", 1, 2, 3, {"labels": {"a": "b"}}, {"bindings": []})
    index.insert_bucket(bucket)
    stored = index.put(made("é/\x00", *reserved(index, "x")))

    assert index.bucket("c") == bucket
    assert index.object("b", "é/\x00") == stored
    assert index.object("b", "é/") is None
    assert index.bucket("none") is None


def test_a_part_is_unused_when_the_last_object_has_gone(index: Index) -> None:
    parts = reserved(index, "x", "y")
    assert sorted(index.unused()) == ["x", "y"]
    index.put(made("one", *parts))
    index.put(made("two", *parts, *parts))
    assert index.unused() == []

    index.put(made("one"))
    assert index.unused() == []
    index.delete("b", "two")
    assert sorted(index.unused()) == ["x", "y"]

    index.forget("x")
    assert index.unused() == ["y"]


def test_what_is_held_is_not_forgotten(index: Index) -> None:
    parts = reserved(index, "x")
    index.put(made("o", *parts))

    index.forget("x")
    index.delete("b", "o")

    assert index.unused() == ["x"]


def test_sessions_hold_parts_too(index: Index) -> None:
    first = reserved(index, "x")
    index.put_session(Session("s", "b", "o", 0, 0, 1, first))
    both = first + reserved(index, "y")
    kept = index.put_session(Session("s", "b", "o", 0, 0, 2, both))

    assert index.session("s") == kept
    assert index.unused() == []
    assert index.stale_sessions(1_000) == []
    assert index.stale_sessions(1_001) == ["s"]
    index.delete_session("s")
    assert sorted(index.unused()) == ["x", "y"]
    assert index.session("s") is None


def test_a_broken_transaction_changes_nothing(index: Index) -> None:
    parts = reserved(index, "x")

    def broken() -> None:
        with index.transaction():
            index.put(made("o", *parts))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert index.object("b", "o") is None
    assert index.unused() == ["x"]


def test_looking_up_takes_no_walk(index: Index) -> None:
    plans = [
        index._db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()  # noqa: SLF001
        for query in (
            "SELECT * FROM objects WHERE bucket = 'b' AND name = x'00'",
            "SELECT * FROM objects WHERE bucket = 'b' AND name >= x'00' ORDER BY name",
            "SELECT id FROM parts WHERE refs = 0",
        )
    ]

    assert all(len(plan) == 1 and plan[0][3].startswith("SEARCH") for plan in plans[:2])
    assert "unused_parts" in plans[2][0][3]
