"""Cloud projects: every well-formed id is one, with a number that never changes."""

import hashlib
import re
from typing import Final

import msgspec

from emulator.errors import NotFound

_ID: Final = re.compile(
    r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?(?::[a-z0-9.-]+)?|[a-z][a-z0-9.:_-]{0,62}"
)
_LOWEST_NUMBER: Final = 100_000_000_000


class Project(msgspec.Struct, frozen=True):
    """A cloud project; ``create_time`` is RFC 3339 text."""

    project_id: str
    project_number: int
    name: str
    create_time: str

    @property
    def service_agent(self) -> str:
        """The account that the service reads packages and writes models with."""
        return f"service-{self.project_number}@cloud-ml.google.com.iam.gserviceaccount.com"

    @property
    def tpu_service_agent(self) -> str:
        return f"service-{self.project_number}@cloud-tpu.iam.gserviceaccount.com"


def number_of(project_id: str) -> int:
    """A project's number: twelve digits, the same on every machine."""
    digest = hashlib.sha256(project_id.encode()).digest()
    return _LOWEST_NUMBER + int.from_bytes(digest[:8]) % (9 * _LOWEST_NUMBER)


class Projects:
    """All projects of an emulator; ``seen`` are those that a listing shows."""

    def __init__(self, default_id: str, create_time: str) -> None:
        self._default_id = default_id
        self._create_time = create_time
        self._seen = {default_id: None}
        self._by_number = {str(number_of(default_id)): default_id}

    def get(self, id_or_number: str) -> Project:
        """Answer a project by its id, or by the number of one that was named before."""
        project_id = self._by_number.get(id_or_number, id_or_number)
        if not _ID.fullmatch(project_id):
            raise NotFound(f"Project '{id_or_number}' not found or deleted.")
        self._seen.setdefault(project_id)
        self._by_number.setdefault(str(number_of(project_id)), project_id)
        return Project(project_id, number_of(project_id), project_id, self._create_time)

    def list(self) -> list[Project]:
        return [self.get(project_id) for project_id in list(self._seen)]

    def default(self) -> Project:
        return self.get(self._default_id)
