"""logging.googleapis.com: the entries of jobs, found with Google's filter language."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.api import filters
from emulator.api.rest import Page, answer, document_of
from emulator.api.services import Services
from emulator.errors import InvalidArgument, NotFound
from emulator.logs import SERVICE, Entry
from emulator.names import components

MAX_PAGE: Final = 1000
RESOURCE_TYPE: Final = "ml_job"
_JOB: Final = ("resource", "labels", "job_id")
_ORDERS: Final = {"": False, "timestamp": False, "timestamp asc": False, "timestamp desc": True}
_LAST: Final = "~"  # sorts after every project and job
_EPSILON_S: Final = 1e-6  # a time in a filter has been rounded to microseconds


def endpoints(services: Services) -> list[Route]:
    async def list_entries(request: Request) -> Response:
        return answer(request, await entries(services, await document_of(request)))

    async def write_entries(request: Request) -> Response:
        """What user code writes itself is taken and not kept."""
        await document_of(request)
        return answer(request, {})

    return [
        Route("/v2/entries:list", list_entries, methods=["POST"]),
        Route("/v2/entries:write", write_entries, methods=["POST"]),
    ]


def log_entry(project_id: str, job_id: str, entry: Entry) -> dict[str, Any]:
    """A line of a job's log as a LogEntry (service reference §6.2)."""
    timestamp = _timestamp(entry.time)
    labels = {
        "ml.googleapis.com/job_id": job_id,
        "ml.googleapis.com/job_id/log_area": "root",
        "ml.googleapis.com/task_name": entry.task,
        "ml.googleapis.com/trial_id": "",
    }
    found = {
        "logName": f"projects/{project_id}/logs/{_log_name(entry.task)}",
        "insertId": entry.id,
        "timestamp": timestamp,
        "receiveTimestamp": timestamp,
        "severity": entry.severity,
        "resource": {
            "type": RESOURCE_TYPE,
            "labels": {"project_id": project_id, "job_id": job_id, "task_name": entry.task},
        },
        "labels": labels,
    }
    if entry.task == SERVICE:
        return {**found, "textPayload": entry.message}
    payload: dict[str, Any] = {
        "created": entry.time,
        "levelname": entry.severity,
        "message": entry.message,
    }
    if entry.path:
        payload |= {"pathname": entry.path, "lineno": entry.lineno}
    return {**found, "jsonPayload": payload}


async def entries(services: Services, asked: dict[str, Any]) -> dict[str, Any]:
    """Answer ``entries.list``: one page, in order of time, then of insertId."""
    node = _filter(_string(asked, "filter"))
    order = _string(asked, "orderBy")
    if order not in _ORDERS:
        raise InvalidArgument(f"Unsupported order by clause: {order}")
    projects = _projects(asked)
    page = Page.asked(
        f"entries/{projects}/{order}?{_string(asked, 'filter')}",
        _page_size(asked),
        _string(asked, "pageToken"),
        MAX_PAGE,
    )
    first = _First(
        page.size + 1,
        after=tuple(page.read(3)) if page.token else None,
        descending=_ORDERS[order],
    )
    await _gather(services, projects, node, first)
    found = first.entries
    answer: dict[str, Any] = {"entries": found[: page.size]} if found else {}
    if len(found) > page.size:
        answer["nextPageToken"] = page.write(list(_place(found[page.size - 1])))
    return answer


class _First:
    """The first entries of a listing, beyond the place ``after``, whatever order they come in."""

    def __init__(self, size: int, *, after: tuple[str, ...] | None, descending: bool) -> None:
        self.entries: list[dict[str, Any]] = []
        self._size = size
        self._after = after
        self.descending = descending

    def may_want(self, low: tuple[str, ...], high: tuple[str, ...]) -> bool:
        """Whether an entry between two places can be among the first."""
        near, far = (high, low) if self.descending else (low, high)
        if self._after is not None and not self._is_beyond(far, self._after):
            return False
        is_full = len(self.entries) == self._size
        return not is_full or self._is_beyond(_place(self.entries[-1]), near)

    def add(self, entries: Iterable[dict[str, Any]]) -> None:
        after = self._after
        self.entries += [
            entry for entry in entries if after is None or self._is_beyond(_place(entry), after)
        ]
        self.entries.sort(key=_place, reverse=self.descending)
        del self.entries[self._size :]

    def _is_beyond(self, place: tuple[str, ...], other: tuple[str, ...]) -> bool:
        return place < other if self.descending else place > other


async def _gather(
    services: Services, projects: list[str], node: filters.Node, first: _First
) -> None:
    """Read what may match and may be among the first; others get their turn in between."""
    since = (filters.floor(node, "timestamp", filters.time_ns) or 0) / 1_000_000_000 - _EPSILON_S
    least_id = filters.floor(node, "insertId", str) or ""
    only = filters.values(node, _JOB)
    for project in projects:
        project_id = services.projects.get(project).project_id
        for job_id in services.logs.jobs(project_id):
            if only is not None and job_id not in only:
                continue
            spans = services.logs.spans(project_id, job_id)
            for span in reversed(spans) if first.descending else spans:
                low = (_timestamp(span.earliest), span.first_id, "")
                high = (_timestamp(span.latest), span.last_id, _LAST)
                if span.latest < since or span.last_id < least_id or not first.may_want(low, high):
                    continue
                read = services.logs.entries(project_id, job_id, span)
                made = [log_entry(project_id, job_id, entry) for entry in read]
                first.add(entry for entry in made if filters.matches(node, entry))
                await asyncio.sleep(0)


def _place(entry: dict[str, Any]) -> tuple[str, ...]:
    """Where an entry stands in a listing; timestamps are of one width, so text sorts."""
    labels = entry["resource"]["labels"]
    return entry["timestamp"], entry["insertId"], f"{labels['project_id']}/{labels['job_id']}"


def _timestamp(seconds: float) -> str:
    micros = round(seconds * 1_000_000)
    at = datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{at}.{micros % 1_000_000:06d}Z"


def _log_name(task: str) -> str:
    return "ml.googleapis.com%2F" + task if task == SERVICE else task


def _filter(text: str) -> filters.Node:
    try:
        return filters.parse(text)
    except filters.FilterError as error:
        raise InvalidArgument(f"Unparseable filter: {error}") from None


def _string(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name) or ""
    if not isinstance(value, str):
        raise InvalidArgument(f"Invalid value at '{name}' (TYPE_STRING), {value}")
    return value


def _page_size(asked: dict[str, Any]) -> int:
    value = asked.get("pageSize") or 0
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int):
        raise InvalidArgument(f"Invalid value at 'page_size' (TYPE_INT32), {value}")
    return value or 50


def _projects(asked: dict[str, Any]) -> list[str]:
    """``resourceNames`` (``projects/P``) and the older ``projectIds``."""
    named = asked.get("resourceNames") or []
    older = asked.get("projectIds") or []
    if not isinstance(named, list) or not isinstance(older, list):
        raise InvalidArgument("resource_names and project_ids must be lists.")
    found = [components(str(name)).get("projects", "") for name in named] + [*map(str, older)]
    if not found:
        raise InvalidArgument("At least one resource name must be specified.")
    if "" in found:
        raise NotFound("Only the logs of projects are kept: name them as projects/PROJECT.")
    return sorted(set(found))
