import sqlite3
from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.storage.database import MIGRATIONS, Database, Full


def test_a_new_file_has_the_newest_version(tmp_path: Path) -> None:
    for _ in range(2):  # made, then found
        database = Database(tmp_path / "index.db")
        version = database.execute("PRAGMA user_version").fetchone()
        database.close()
        assert version == (len(MIGRATIONS),)


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    newer.close()
    before = path.read_bytes()

    with pytest.raises(OperatorError, match="written by a newer cmle"):
        Database(path)
    assert path.read_bytes() == before


def test_transactions_nest_and_fail_as_one(tmp_path: Path) -> None:
    database = Database(tmp_path / "index.db")

    def fail() -> None:
        with database.transaction():
            database.execute("INSERT INTO parts VALUES ('a', 0)")
            with database.transaction():
                database.execute("INSERT INTO parts VALUES ('b', 0)")
            raise KeyError

    try:
        with pytest.raises(KeyError):
            fail()
        assert database.execute("SELECT * FROM parts").fetchall() == []
    finally:
        database.close()


def test_a_full_disk_has_a_name(tmp_path: Path) -> None:
    database = Database(tmp_path / "index.db")

    def fill() -> None:
        with database.transaction():
            database.execute("INSERT INTO parts VALUES (?, 0)", ("x" * 1_000_000,))

    try:
        database.execute("PRAGMA max_page_count=20")
        with pytest.raises(Full):
            fill()
        assert database.execute("SELECT * FROM parts").fetchall() == []
    finally:
        database.close()
