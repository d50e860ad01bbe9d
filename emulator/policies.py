"""IAM policies of jobs and models: kept as given, never enforced."""

from typing import Final

from emulator.store import Record, Store

_KIND: Final = "policies"


class Policies:
    """Policies as JSON documents by the full name of what they protect."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, resource_name: str) -> bytes | None:
        record = self._store.get(f"{resource_name}/iamPolicy")
        return None if record is None else record.document

    def put(self, resource_name: str, policy: bytes) -> None:
        record = Record(_KIND, f"{resource_name}/iamPolicy", resource_name, policy)
        if not self._store.insert(record):
            self._store.replace(record)

    def forget(self, resource_name: str) -> None:
        self._store.delete(f"{resource_name}/iamPolicy")
