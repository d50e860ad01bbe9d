"""logging.googleapis.com: the entries of jobs, found with Google's filter language."""

import heapq
from collections.abc import Iterator
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
_EPSILON_S: Final = 1e-6  # a time in a filter has been rounded to microseconds


def endpoints(services: Services) -> list[Route]:
    async def list_entries(request: Request) -> Response:
        return answer(request, entries(services, await document_of(request)))

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
    micros = round(entry.time * 1_000_000)
    at = datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    timestamp = f"{at}.{micros % 1_000_000:06d}Z"
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


def entries(services: Services, asked: dict[str, Any]) -> dict[str, Any]:
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
    descending = _ORDERS[order]
    choose = heapq.nlargest if descending else heapq.nsmallest
    after = tuple(page.read(3)) if page.token else None
    found = choose(page.size + 1, _found(services, projects, node, after, descending), key=_place)
    answer: dict[str, Any] = {"entries": found[: page.size]} if found else {}
    if len(found) > page.size:
        answer["nextPageToken"] = page.write(list(_place(found[page.size - 1])))
    return answer


def _found(
    services: Services,
    projects: list[str],
    node: filters.Node,
    after: tuple[str, ...] | None,
    descending: bool,  # noqa: FBT001 one call site
) -> Iterator[dict[str, Any]]:
    """Matching entries beyond the place ``after``, in no order between jobs."""
    since = (filters.floor(node, "timestamp") or 0) / 1_000_000_000 - _EPSILON_S
    only = filters.values(node, _JOB)
    for project in projects:
        project_id = services.projects.get(project).project_id
        for job_id in services.logs.jobs(project_id):
            if only is not None and job_id not in only:
                continue
            for entry in services.logs.read(project_id, job_id, since=since):
                made = log_entry(project_id, job_id, entry)
                if after is not None and not _beyond(_place(made), after, descending=descending):
                    continue
                if filters.matches(node, made):
                    yield made


def _beyond(place: tuple[str, ...], after: tuple[str, ...], *, descending: bool) -> bool:
    return place < after if descending else place > after


def _place(entry: dict[str, Any]) -> tuple[str, str, str]:
    """Where an entry stands in a listing; timestamps are of one width, so text sorts."""
    labels = entry["resource"]["labels"]
    return entry["timestamp"], entry["insertId"], f"{labels['project_id']}/{labels['job_id']}"


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
