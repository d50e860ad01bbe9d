"""Names, generations, metadata and where the bytes are: the index of all objects."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator.storage.database import Database
from emulator.storage.values import Bucket, Object, Part, Session

_PARTS: Final = msgspec.json.Decoder(tuple[Part, ...])
_SESSION: Final = msgspec.json.Decoder(Session)


class Index:
    """Reads answer values, writes are whole before they return; ``now_us`` is the clock.

    Every part is counted: by the objects and the sessions that hold it. What nobody holds is
    ``unused`` and may be deleted from the disk, then forgotten here.
    """

    def __init__(self, path: Path, now_us: Callable[[], int] | None = None) -> None:
        self._db = Database(path)
        self.now_us = now_us or (lambda: time.time_ns() // 1000)

    def close(self) -> None:
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        return self._db.transaction()

    # buckets

    def bucket(self, name: str) -> Bucket | None:
        row = self._db.execute("SELECT * FROM buckets WHERE name = ?", (name,)).fetchone()
        return _bucket(row) if row else None

    def buckets(self, *, project: str, prefix: str, after: str, limit: int) -> list[Bucket]:
        """A project's buckets (all, without one) by name, from the first one after ``after``."""
        rows = self._db.execute(
            "SELECT * FROM buckets WHERE ? IN (project, '') AND name > ?"
            " AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
            (project, after, len(prefix), prefix, limit),
        )
        return [_bucket(row) for row in rows]

    def projects(self) -> list[str]:
        """Those that have buckets."""
        return [name for (name,) in self._db.execute("SELECT DISTINCT project FROM buckets")]

    def insert_bucket(self, bucket: Bucket) -> None:
        with self._db.transaction():
            self._db.execute("INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?, ?)", _row(bucket))

    def replace_bucket(self, bucket: Bucket) -> Bucket:
        """Write a changed bucket: its metageneration grows."""
        changed = msgspec.structs.replace(
            bucket, metageneration=bucket.metageneration + 1, updated=self.now_us()
        )
        with self._db.transaction():
            self._db.execute("REPLACE INTO buckets VALUES (?, ?, ?, ?, ?, ?, ?)", _row(changed))
        return changed

    def is_empty(self, bucket: str) -> bool:
        found = self._db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (bucket,))
        return found.fetchone() is None

    def delete_bucket(self, name: str) -> None:
        with self._db.transaction():
            self._db.execute("DELETE FROM buckets WHERE name = ?", (name,))

    # objects

    def object(self, bucket: str, name: str) -> Object | None:
        row = self._db.execute(
            "SELECT * FROM objects WHERE bucket = ? AND name = ?",
            (bucket, name.encode()),
        ).fetchone()
        return _object(row) if row else None

    def objects(self, bucket: str, start: bytes, end: bytes | None) -> Iterator[Object]:
        """Objects by name from ``start`` to before ``end``: fetched only as far as read."""
        find = "SELECT * FROM objects WHERE bucket = ? AND name >= ?"
        if end is None:
            rows = self._db.execute(f"{find} ORDER BY name", (bucket, start))
        else:
            rows = self._db.execute(f"{find} AND name < ? ORDER BY name", (bucket, start, end))
        return map(_object, rows)

    def put(self, new: Object) -> Object:
        """Make ``new`` the live object of its name, with a generation of its own."""
        now = self.now_us()
        with self._db.transaction():
            self._release_object(new.bucket, new.name)
            stored = msgspec.structs.replace(
                new, generation=self._next_generation(now), created=now, updated=now
            )
            self.hold(stored.parts)
            self._write(stored)
        return stored

    def update(self, changed: Object) -> Object:
        """Write an object's changed metadata: its metageneration grows."""
        written = msgspec.structs.replace(
            changed, metageneration=changed.metageneration + 1, updated=self.now_us()
        )
        with self._db.transaction():
            self._write(written)
        return written

    def delete(self, bucket: str, name: str) -> None:
        with self._db.transaction():
            self._release_object(bucket, name)
            self._db.execute(
                "DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name.encode())
            )

    def _write(self, stored: Object) -> None:
        self._db.execute(
            "REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stored.bucket,
                stored.name.encode(),
                stored.generation,
                stored.metageneration,
                stored.size,
                stored.crc32c,
                stored.md5,
                stored.created,
                stored.updated,
                msgspec.json.encode(stored.parts),
                msgspec.json.encode(stored.document),
            ),
        )

    def _release_object(self, bucket: str, name: str) -> None:
        row = self._db.execute(
            "SELECT parts FROM objects WHERE bucket = ? AND name = ?", (bucket, name.encode())
        ).fetchone()
        if row:
            self.release(_PARTS.decode(row[0]))

    def _next_generation(self, now: int) -> int:
        (generation,) = self._db.execute(
            "UPDATE counters SET value = max(value + 1, ?) WHERE name = 'generation'"
            " RETURNING value",
            (now,),
        ).fetchone()
        return int(generation)

    # parts

    def reserve(self, part_id: str) -> None:
        """Note a part before it is written, so that it cannot be lost sight of."""
        with self._db.transaction():
            self._db.execute("INSERT INTO parts VALUES (?, 0)", (part_id,))

    def hold(self, parts: Iterable[Part]) -> None:
        self._count(parts, 1)

    def release(self, parts: Iterable[Part]) -> None:
        self._count(parts, -1)

    def unused(self, parts: Sequence[str] | None = None) -> list[str]:
        """The ids of parts that nobody holds: all, or of ``parts`` alone."""
        if parts is None:
            return [id_ for (id_,) in self._db.execute("SELECT id FROM parts WHERE refs = 0")]
        find = "SELECT 1 FROM parts WHERE id = ? AND refs = 0"
        return [part for part in parts if self._db.execute(find, (part,)).fetchone()]

    def forget(self, part_id: str) -> None:
        """The part's blob is deleted."""
        with self._db.transaction():
            self._db.execute("DELETE FROM parts WHERE id = ? AND refs = 0", (part_id,))

    def _count(self, parts: Iterable[Part], change: int) -> None:
        with self._db.transaction():
            for part in parts:
                self._db.execute("UPDATE parts SET refs = refs + ? WHERE id = ?", (change, part.id))

    # sessions

    def session(self, session_id: str) -> Session | None:
        row = self._db.execute(
            "SELECT document FROM sessions WHERE id = ?", (session_id,)
        ).fetchone()
        return _SESSION.decode(row[0]) if row else None

    def put_session(self, session: Session) -> Session:
        """Write a session; the parts that are new in it are held."""
        written = msgspec.structs.replace(session, touched=self.now_us())
        with self._db.transaction():
            before = self.session(session.id)
            self.hold(session.parts)
            self.release(before.parts if before else ())
            self._db.execute(
                "REPLACE INTO sessions VALUES (?, ?, ?)",
                (written.id, written.touched, msgspec.json.encode(written)),
            )
        return written

    def delete_session(self, session_id: str) -> None:
        with self._db.transaction():
            if before := self.session(session_id):
                self.release(before.parts)
            self._db.execute("DELETE FROM sessions WHERE id = ?", (session_id,))

    def stale_sessions(self, before_us: int) -> list[str]:
        rows = self._db.execute("SELECT id FROM sessions WHERE touched < ?", (before_us,))
        return [id_ for (id_,) in rows]


def _bucket(row: tuple[Any, ...]) -> Bucket:
    name, project, created, updated, metageneration, document, policy = row
    return Bucket(
        name=name,
        project=project,
        created=created,
        updated=updated,
        metageneration=metageneration,
        document=msgspec.json.decode(document),
        policy=msgspec.json.decode(policy) if policy is not None else None,
    )


def _row(bucket: Bucket) -> tuple[Any, ...]:
    policy = None if bucket.policy is None else msgspec.json.encode(bucket.policy)
    return (
        bucket.name,
        bucket.project,
        bucket.created,
        bucket.updated,
        bucket.metageneration,
        msgspec.json.encode(bucket.document),
        policy,
    )


def _object(row: tuple[Any, ...]) -> Object:
    bucket, name, generation, metageneration, size, crc32c, md5, created, updated, *rest = row
    parts, document = rest
    return Object(
        bucket=bucket,
        name=name.decode(),
        generation=generation,
        metageneration=metageneration,
        size=size,
        crc32c=crc32c,
        md5=md5,
        created=created,
        updated=updated,
        parts=_PARTS.decode(parts),
        document=msgspec.json.decode(document),
    )
