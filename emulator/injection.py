"""Faults of a running emulator, set and taken back by a client."""

from collections.abc import Sequence
from typing import Any, Final, Self

from emulator.names import project_name
from emulator.rest import Connection, Refused

NOT_FOUND: Final = 404


class Injection:
    """The faults of one project. ``with`` and ``close`` take back what was added here.

    Every method that adds one answers its id. Keywords are the fields of its kind, as
    ``cmle faults add KIND --help`` has them.
    """

    def __init__(self, connection: Connection, project: str) -> None:
        self._connection = connection
        self._path = f"/cmle/v1/{project_name(project)}/faults"
        self._added: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def preempt(self, *, replica: str = "master-0", **fields: Any) -> str:
        """A replica's machine goes: ``at_step=50``, ``at_text="…"`` or ``after_s=2``.

        Further ``job``, ``grace_s``, ``times``.
        """
        return self.add("preempt", replica=replica, **fields)

    def storage(self, *, status: int = 503, share: float = 1.0, **fields: Any) -> str:
        """Cloud Storage answers ``status`` to this share of the requests.

        Further ``bucket``, ``object``, ``methods``, ``job``, ``seed``, ``times``.
        """
        return self.add("storage-unavailable", status=status, share=share, **fields)

    def slow_storage(self, *, delay_s: float = 0.0, **fields: Any) -> str:
        """Cloud Storage begins ``delay_s`` later, or has ``bytes_per_s``; else as ``storage``."""
        return self.add("slow-storage", delay_s=delay_s, **fields)

    def full_disk(self, free_bytes: int, **fields: Any) -> str:
        """Replicas that start have a disk for so much: ``job``, ``replica``, ``times``."""
        return self.add("full-disk", free_bytes=free_bytes, **fields)

    def quota(self, of: str = "jobs", **fields: Any) -> str:
        """429 for new ``jobs``, or for ``predictions``; ``times``."""
        return self.add("quota", of=of, **fields)

    def expired_tokens(self, **fields: Any) -> str:
        """401 for tokens that were given out before: ``job``, ``times``."""
        return self.add("expired-tokens", **fields)

    def add(self, kind: str, **fields: Any) -> str:
        """Any kind by its name; Refused says what is wrong with a field."""
        found = self._connection.document("POST", self._path, {"kind": kind, **fields})
        self._added.append(found["id"])
        return str(found["id"])

    def list(self) -> list[dict[str, Any]]:
        """All of the project, each with ``struck``: how often it has happened."""
        document = self._connection.document("GET", self._path)
        return list(document["faults"])

    def struck(self, fault_id: str) -> int:
        """How often a fault has happened; KeyError if it is not set."""
        return {fault["id"]: int(fault["struck"]) for fault in self.list()}[fault_id]

    def remove(self, fault_id: str) -> None:
        self._connection.request("DELETE", f"{self._path}/{fault_id}")

    def clear(self) -> Sequence[str]:
        """Take back all of the project; answer their ids."""
        removed: Sequence[str] = self._connection.document("DELETE", self._path)["removed"]
        return removed

    def close(self) -> None:
        """Take back what was added here and is still set."""
        while self._added:
            try:
                self.remove(self._added.pop())
            except Refused as refused:
                if refused.code != NOT_FOUND:
                    raise
