"""``/cmle/faults``: the emulator's own resource, which Google does not have."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import faults
from emulator.api.rest import answer, document_of, identity_of
from emulator.api.services import Services
from emulator.errors import InvalidArgument, PermissionDenied
from emulator.identity import Kind

PATH = "/cmle/faults"


def endpoints(services: Services) -> list[Route]:
    async def add(request: Request) -> Response:
        _check(request)
        fault = faults.parse(await document_of(request))
        services.projects.get(fault.project)
        return answer(request, (await services.faults.add(fault)).document())

    async def list_(request: Request) -> Response:
        found = await services.faults.list(_project(request))
        return answer(request, {"faults": [placed.document() for placed in found]})

    async def remove(request: Request) -> Response:
        await services.faults.remove(_project(request), request.path_params["id"])
        return answer(request, {})

    async def clear(request: Request) -> Response:
        return answer(request, {"removed": await services.faults.clear(_project(request))})

    return [
        Route(PATH, add, methods=["POST"]),
        Route(PATH, list_, methods=["GET"]),
        Route(PATH, clear, methods=["DELETE"]),
        Route(f"{PATH}/{{id}}", remove, methods=["DELETE"]),
    ]


def _project(request: Request) -> str:
    _check(request)
    project = request.query_params.get("project", "")
    if not project:
        raise InvalidArgument("The query parameter project says whose faults are meant.")
    return project


def _check(request: Request) -> None:
    """A trainer must not disturb the test that runs it."""
    if identity_of(request).kind != Kind.USER:
        raise PermissionDenied("Only the emulator's user may see and change faults.")
