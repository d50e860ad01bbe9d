"""The time of a project: the emulator's own method, of no host of Google.

``GET /cmle/v1/projects/P/clock`` answers ``{"time", "ahead", "queueDelay"}``; ``PATCH`` changes
``queueDelay``; ``POST …/clock:advance`` with ``{"duration": "3600s"}`` skips as much time.
"""

from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import schema
from emulator.api.rest import answer, document_of, identity_of
from emulator.api.services import Services
from emulator.errors import InvalidArgument, PermissionDenied
from emulator.identity import Kind

_ASKERS: Final = frozenset({Kind.USER, Kind.SERVICE})


def endpoints(services: Services) -> list[Route]:
    def project_of(request: Request) -> str:
        if identity_of(request).kind not in _ASKERS:
            raise PermissionDenied("What runs in the emulator cannot look at its clocks.")
        return services.projects.get(request.path_params["project"]).project_id

    def shown(request: Request, project_id: str) -> Response:
        now = services.timelines.now(project_id)
        document = {
            "time": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
            "ahead": schema.duration(services.timelines.ahead_s(project_id)),
            "queueDelay": schema.duration(services.timelines.queue_delay_s(project_id)),
        }
        return answer(request, document)

    async def get(request: Request) -> Response:
        return shown(request, project_of(request))

    async def change(request: Request) -> Response:
        project_id = project_of(request)
        services.timelines.queue_jobs(
            project_id, _seconds(await document_of(request), "queueDelay")
        )
        return shown(request, project_id)

    async def advance(request: Request) -> Response:
        project_id = project_of(request)
        seconds = _seconds(await document_of(request), "duration")
        await services.timelines.advance(project_id, seconds)
        return shown(request, project_id)

    one = "/cmle/v1/projects/{project}/clock"
    return [
        Route(one, get, methods=["GET"]),
        Route(one, change, methods=["PATCH"]),
        Route(f"{one}:advance", advance, methods=["POST"]),
    ]


def _seconds(document: dict[str, Any], field: str) -> float:
    text = document.get(field)
    try:
        seconds = schema.duration_s(text if isinstance(text, str) else "")
    except ValueError:
        seconds = -1.0
    if seconds < 0:
        raise InvalidArgument.field(
            field, f"Expected seconds with an 's' and no sign, such as '3600s', got {text!r}."
        )
    return seconds
