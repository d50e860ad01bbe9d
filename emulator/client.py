"""A small client of a running emulator, for the command line, the demo and the pytest plugin."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from emulator.buckets import Buckets
from emulator.clock import Clock
from emulator.errors import OperatorError
from emulator.injection import Injection
from emulator.names import (
    job_name,
    last_component,
    model_name,
    operation_name,
    project_name,
    version_name,
)
from emulator.rest import Connection, Refused
from emulator.states import JobState

POLL_S: Final = 0.25
SHORTEST_POLL_S: Final = 0.02
PAGE: Final = 100


class Entry(msgspec.Struct, frozen=True):
    """One log line as people read it."""

    id: str
    timestamp: str
    severity: str
    task: str
    text: str


class Client(Connection):
    """Speaks the ML API to the emulator at ``url`` for ``project``."""

    def __init__(self, url: str, project: str, *, timeout_s: float = 120.0) -> None:
        super().__init__(url, timeout_s=timeout_s)
        self.project = project
        self.storage = Buckets(self, project)
        self.clock = Clock(self, project)
        self.faults = Injection(self, project)

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **params: Any
    ) -> dict[str, Any]:
        """A JSON method of ``ml.googleapis.com`` (``path`` below ``/v1/``)."""
        chosen = {key: value for key, value in params.items() if value not in (None, "")}
        return self.document(method, f"/v1/{path}", body, chosen)

    def pages(self, path: str, key: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every resource of a list method, page by page."""
        token = ""
        while True:
            answer = self.call("GET", path, pageSize=PAGE, pageToken=token, **params)
            yield from answer.get(key, [])
            token = answer.get("nextPageToken", "")
            if not token:
                return

    # Jobs

    def create_job(self, job: Mapping[str, Any]) -> dict[str, Any]:
        return self.call("POST", f"{project_name(self.project)}/jobs", dict(job))

    def job(self, job_id: str) -> dict[str, Any]:
        return self.call("GET", job_name(self.project, job_id))

    def jobs(self, filter_text: str = "") -> list[dict[str, Any]]:
        return list(self.pages(f"{project_name(self.project)}/jobs", "jobs", filter=filter_text))

    def cancel_job(self, job_id: str) -> None:
        self.call("POST", f"{job_name(self.project, job_id)}:cancel", {})

    def wait_job(
        self,
        job_id: str,
        *,
        state: str = "",
        timeout_s: float | None = None,
        seen: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """The job once it is in this state, or has ended; ``seen`` gets every answer on the way."""
        began = time.monotonic()
        deadline = None if timeout_s is None else began + timeout_s
        while True:
            job = self.job(job_id)
            seen(job)
            if job["state"] == state or JobState(job["state"]).is_terminal:
                return job
            if deadline is not None and time.monotonic() > deadline:
                raise OperatorError(
                    f"Job {job_id} is still {job['state']} after {timeout_s:g} s. "
                    f"It goes on running; `cmle jobs cancel {job_id}` ends it."
                )
            time.sleep(_pause_s(time.monotonic() - began))

    # Logs

    def entries(self, job_id: str, after: str = "", task: str = "") -> Iterator[Entry]:
        """The job's log lines that came after the one with the id ``after``, oldest first."""
        terms = ['resource.type="ml_job"', f'resource.labels.job_id="{job_id}"']
        terms += [f'insertId>"{after}"'] if after else []
        terms += [f'resource.labels.task_name="{task}"'] if task else []
        body = {
            "resourceNames": [project_name(self.project)],
            "filter": " AND ".join(terms),
            "orderBy": "timestamp asc",
            "pageSize": 1000,
        }
        token = ""
        while True:
            page = body | ({"pageToken": token} if token else {})
            document = self.document("POST", "/v2/entries:list", page)
            yield from map(_entry, document.get("entries", []))
            token = document.get("nextPageToken", "")
            if not token:
                return

    def follow(
        self,
        job_id: str,
        *,
        task: str = "",
        poll_s: float = POLL_S,
        seen: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> Iterator[Entry]:
        """The job's log lines as they appear, until it has ended and all are read.

        A line that arrives while pages are read may have a time before theirs. Its id is above
        all that were there, so each round begins where the round before the last one ended.
        """
        known: set[str] = set()
        last_but_one = last = ""
        while True:
            job = self.job(job_id)
            seen(job)
            found = set()
            for entry in self.entries(job_id, last_but_one, task):
                found.add(entry.id)
                if entry.id not in known:
                    yield entry
            last_but_one, last = last, max(found, default=last)
            known = found
            if JobState(job["state"]).is_terminal:
                return
            time.sleep(poll_s)

    # Models, versions, operations, predictions

    def create_model(self, model_id: str, **fields: Any) -> dict[str, Any]:
        return self.call(
            "POST", f"{project_name(self.project)}/models", {"name": model_id, **fields}
        )

    def model(self, model_id: str) -> dict[str, Any]:
        return self.call("GET", model_name(self.project, model_id))

    def models(self) -> list[dict[str, Any]]:
        return list(self.pages(f"{project_name(self.project)}/models", "models"))

    def delete_model(self, model_id: str) -> dict[str, Any]:
        return self.call("DELETE", model_name(self.project, model_id))

    def create_version(self, model_id: str, version: Mapping[str, Any]) -> dict[str, Any]:
        """Answers the Operation; see ``wait_operation``."""
        return self.call("POST", f"{model_name(self.project, model_id)}/versions", dict(version))

    def version(self, model_id: str, version_id: str) -> dict[str, Any]:
        return self.call("GET", version_name(self.project, model_id, version_id))

    def versions(self, model_id: str) -> list[dict[str, Any]]:
        return list(self.pages(f"{model_name(self.project, model_id)}/versions", "versions"))

    def set_default_version(self, model_id: str, version_id: str) -> dict[str, Any]:
        name = version_name(self.project, model_id, version_id)
        return self.call("POST", f"{name}:setDefault", {})

    def delete_version(self, model_id: str, version_id: str) -> dict[str, Any]:
        return self.call("DELETE", version_name(self.project, model_id, version_id))

    def operation(self, name: str) -> dict[str, Any]:
        return self.call("GET", operation_name(self.project, last_component(name)))

    def wait_operation(
        self, operation: Mapping[str, Any], *, timeout_s: float = 3600.0
    ) -> dict[str, Any]:
        """The finished Operation; Refused with its error if it failed."""
        deadline = time.monotonic() + timeout_s
        found = dict(operation)
        while not found.get("done"):
            if time.monotonic() > deadline:
                raise OperatorError(f"Operation {found['name']} is not done after {timeout_s:g} s.")
            time.sleep(POLL_S)
            found = self.operation(found["name"])
        if error := found.get("error"):
            message = error.get("message", "")
            raise Refused(error.get("code", 0), "", message, error.get("details", []))
        return found

    def predict(self, model_id: str, version_id: str, request: Mapping[str, Any]) -> Any:
        """The answer's document: ``{"predictions": […]}`` or ``{"error": "…"}``."""
        name = (
            version_name(self.project, model_id, version_id)
            if version_id
            else model_name(self.project, model_id)
        )
        return self.call("POST", f"{name}:predict", dict(request))


def _pause_s(waited_s: float) -> float:
    """Between two looks at a job: a tenth of the time that it took so far."""
    return min(POLL_S, max(SHORTEST_POLL_S, waited_s / 10))


def _entry(entry: Mapping[str, Any]) -> Entry:
    payload = entry.get("jsonPayload") or {}
    labels = entry.get("labels") or {}
    resource = (entry.get("resource") or {}).get("labels") or {}
    return Entry(
        id=entry.get("insertId", ""),
        timestamp=entry.get("timestamp", ""),
        severity=entry.get("severity", "DEFAULT"),
        task=resource.get("task_name") or labels.get("ml.googleapis.com/task_name") or "",
        text=str(payload.get("message") or entry.get("textPayload") or ""),
    )
