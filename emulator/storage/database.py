"""The index's file: opened, migrated, written in transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from emulator.errors import CmleError, OperatorError

MIGRATIONS: Final = (
    """
    CREATE TABLE buckets (
        name           TEXT PRIMARY KEY,
        project        TEXT NOT NULL,
        created        INTEGER NOT NULL,
        updated        INTEGER NOT NULL,
        metageneration INTEGER NOT NULL,
        document       BLOB NOT NULL,
        policy         BLOB
    ) WITHOUT ROWID;
    CREATE TABLE objects (
        bucket         TEXT NOT NULL REFERENCES buckets (name),
        name           BLOB NOT NULL,  -- UTF-8: compared byte by byte, as the service lists
        generation     INTEGER NOT NULL,
        metageneration INTEGER NOT NULL,
        size           INTEGER NOT NULL,
        crc32c         INTEGER NOT NULL,
        md5            BLOB NOT NULL,
        created        INTEGER NOT NULL,
        updated        INTEGER NOT NULL,
        parts          BLOB NOT NULL,
        document       BLOB NOT NULL,
        PRIMARY KEY (bucket, name)
    ) WITHOUT ROWID;
    CREATE TABLE parts (
        id   TEXT PRIMARY KEY,
        refs INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX unused_parts ON parts (id) WHERE refs = 0;
    CREATE TABLE sessions (
        id       TEXT PRIMARY KEY,
        touched  INTEGER NOT NULL,
        document BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_age ON sessions (touched);
    CREATE TABLE counters (
        name  TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO counters VALUES ('generation', 0);
    """,
)


class Full(CmleError):
    """The disk that holds the index or the blobs has no room left."""


class Database:
    """One writing process. A killed process loses nothing that a transaction has written."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        self.execute = self._db.execute
        try:
            version = self._version(path)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._migrate(version)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes, or none; within another one, a part of it."""
        if self._is_open():
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._is_open():
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}:
                raise Full(str(error)) from error
            raise

    def _is_open(self) -> bool:
        return self._db.in_transaction

    def _version(self, path: Path) -> int:
        """Of the file as it was found; one from the future is refused and left as it is."""
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise OperatorError(
                f"{path} was written by a newer cmle (storage version {version}, this one knows "
                f"{len(MIGRATIONS)}). Install that version again, or use another data directory."
            )
        return version

    def _migrate(self, version: int) -> None:
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            self._db.executescript(f"BEGIN; {script} PRAGMA user_version={number}; COMMIT;")
