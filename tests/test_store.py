from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.store import MIGRATIONS, Record, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "emulator.db")
    yield opened
    opened.close()


def record(name: str, document: bytes = b"{}", parent: str = "projects/p") -> Record:
    return Record("jobs", name, parent, document)


def test_keeps_a_record(store: Store) -> None:
    assert store.insert(record("projects/p/jobs/a", b'{"state":"QUEUED"}'))

    assert store.get("projects/p/jobs/a") == record("projects/p/jobs/a", b'{"state":"QUEUED"}')


def test_refuses_a_taken_name_and_keeps_the_first(store: Store) -> None:
    store.insert(record("projects/p/jobs/a", b"1"))

    assert not store.insert(record("projects/p/jobs/a", b"2"))
    kept = store.get("projects/p/jobs/a")
    assert kept is not None
    assert kept.document == b"1"


def test_lists_newest_first_below_a_parent(store: Store) -> None:
    for name, parent in (("a", "projects/p"), ("b", "projects/q"), ("c", "projects/p")):
        store.insert(record(name, parent=parent))

    assert [found.name for found in store.list("jobs", "projects/p")] == ["c", "a"]
    assert [found.name for found in store.list("jobs")] == ["c", "b", "a"]
    assert store.list("models") == []


def test_replaces_only_what_exists(store: Store) -> None:
    store.insert(record("a"))
    store.replace(record("a", b"new"))

    kept = store.get("a")
    assert kept is not None
    assert kept.document == b"new"
    with pytest.raises(KeyError):
        store.replace(record("b"))


def test_a_broken_transaction_leaves_nothing(store: Store) -> None:
    def broken() -> None:
        with store.transaction():
            store.insert(record("a"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()

    assert store.get("a") is None


def test_is_there_after_a_restart(tmp_path: Path) -> None:
    first = Store(tmp_path / "db")
    first.insert(record("a"))
    second = Store(tmp_path / "db")  # the first was never closed, as after kill -9

    assert second.get("a") == record("a")
    first.close()
    second.close()


def test_refuses_a_newer_database(tmp_path: Path, store: Store) -> None:
    store._db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")  # noqa: SLF001

    with pytest.raises(OperatorError, match="newer version"):
        Store(tmp_path / "emulator.db")
