"""The emulator's own state in SQLite: key columns and one JSON document a row.

Writes are on disk before a call returns (a killed process loses none of them). Calls take
well under a millisecond and are made on the event loop; one process writes the file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from emulator.errors import OperatorError

MIGRATIONS: Final = (
    """
    CREATE TABLE resources (
        seq      INTEGER PRIMARY KEY AUTOINCREMENT,
        kind     TEXT NOT NULL,
        name     TEXT NOT NULL UNIQUE,
        parent   TEXT NOT NULL,
        document BLOB NOT NULL,
        private  BLOB NOT NULL
    );
    CREATE INDEX resources_by_parent ON resources (kind, parent, seq);
    """,
)


class Record(msgspec.Struct, frozen=True):
    """One resource: ``document`` is what the API shows, ``private`` what only we need."""

    kind: str
    name: str
    parent: str
    document: bytes
    private: bytes = b"{}"


class Store:
    """Get, list, insert, replace and delete records by their full resource names."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            self._migrate(path)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes, or none."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def insert(self, record: Record) -> bool:
        """Store a new record; False if the name is taken."""
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO resources (kind, name, parent, document, private)"
            " VALUES (?, ?, ?, ?, ?)",
            (record.kind, record.name, record.parent, record.document, record.private),
        )
        return cursor.rowcount == 1

    def replace(self, record: Record) -> None:
        """Write a record's document and private part anew; it must exist."""
        cursor = self._db.execute(
            "UPDATE resources SET document = ?, private = ? WHERE name = ?",
            (record.document, record.private, record.name),
        )
        if cursor.rowcount != 1:
            raise KeyError(record.name)

    def get(self, name: str) -> Record | None:
        """Answer the record of this full resource name, or None."""
        row = self._db.execute(
            "SELECT kind, name, parent, document, private FROM resources WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else Record(*row)

    def list(self, kind: str, parent: str | None = None) -> list[Record]:
        """Newest first: all records of a kind, or those below one parent."""
        where, values = ("kind = ?", [kind])
        if parent is not None:
            where, values = (f"{where} AND parent = ?", [kind, parent])
        rows = self._db.execute(
            "SELECT kind, name, parent, document, private FROM resources"  # noqa: S608 constants
            f" WHERE {where} ORDER BY seq DESC",
            values,
        )
        return [Record(*row) for row in rows]

    def delete(self, name: str) -> None:
        self._db.execute("DELETE FROM resources WHERE name = ?", (name,))

    def _migrate(self, path: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise OperatorError(
                f"{path} was written by a newer version of the emulator (format {version}, this "
                f"one reads up to {len(MIGRATIONS)}). Upgrade it, or choose another --data-dir."
            )
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            self._db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
