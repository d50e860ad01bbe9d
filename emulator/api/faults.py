"""The faults of a project: the emulator's own resource, of no host of Google.

``/cmle/v1/projects/P/faults`` is listed, added to and cleared; ``…/faults/ID`` is deleted.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import faults
from emulator.api.rest import answer, document_of, identity_of
from emulator.api.services import Services
from emulator.errors import PermissionDenied
from emulator.identity import Kind

_ALL: Final = "/cmle/v1/projects/{project}/faults"
_ONE: Final = f"{_ALL}/{{fault}}"


def endpoints(services: Services) -> list[Route]:
    def project_of(request: Request) -> str:
        if identity_of(request).kind != Kind.USER:
            # A trainer must not disturb the test that runs it.
            raise PermissionDenied("Only the emulator's user may see and change faults.")
        return services.projects.get(request.path_params["project"]).project_id

    async def add(request: Request) -> Response:
        project = project_of(request)
        fault = faults.parse({**await document_of(request), "project": project})
        return answer(request, (await services.faults.add(fault)).document())

    async def list_(request: Request) -> Response:
        found = await services.faults.list(project_of(request))
        return answer(request, {"faults": [placed.document() for placed in found]})

    async def remove(request: Request) -> Response:
        await services.faults.remove(project_of(request), request.path_params["fault"])
        return answer(request, {})

    async def clear(request: Request) -> Response:
        return answer(request, {"removed": await services.faults.clear(project_of(request))})

    return [
        Route(_ALL, add, methods=["POST"]),
        Route(_ALL, list_, methods=["GET"]),
        Route(_ALL, clear, methods=["DELETE"]),
        Route(_ONE, remove, methods=["DELETE"]),
    ]
