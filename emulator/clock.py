"""The time of a project of a running emulator, as its clients see it and let it pass."""

from datetime import datetime, timedelta
from typing import Any

from emulator.names import project_name
from emulator.rest import Connection
from emulator.schema import duration


class Clock:
    """Called, it answers the project's seconds since the epoch, as ``time.time`` does.

    The project's jobs are created, started, cancelled and logged by this time. Processes have
    that of the machine: a trainer that sleeps for an hour does so.
    """

    def __init__(self, connection: Connection, project: str) -> None:
        self._connection = connection
        self._path = f"/cmle/v1/{project_name(project)}/clock"

    def __call__(self) -> float:
        return datetime.fromisoformat(self.document()["time"]).timestamp()

    def document(self) -> dict[str, Any]:
        """``time``, how far it is ``ahead`` of the machine's, and ``queueDelay``."""
        return self._connection.document("GET", self._path)

    def advance(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> None:
        """Skip this time; the jobs whose ``maxRunningTime`` ends in it are CANCELLING then."""
        skipped = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        self._connection.document(
            "POST", f"{self._path}:advance", {"duration": duration(skipped.total_seconds())}
        )

    def queue_jobs(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> None:
        """From now on, let the project's new jobs be QUEUED so long before anything begins."""
        delay = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        self._connection.document(
            "PATCH", self._path, {"queueDelay": duration(delay.total_seconds())}
        )
