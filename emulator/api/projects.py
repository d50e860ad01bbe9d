"""cloudresourcemanager, compute and iam, as far as gcloud's helper commands need them."""

from collections.abc import Collection
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.api import policies
from emulator.api.rest import Page, answer, document_of
from emulator.api.services import Services
from emulator.errors import InvalidArgument, NotFound
from emulator.names import project_name
from emulator.projects import Project

MAX_PAGE: Final = 500
_ZONES: Final = "abcdef"


def document(project: Project) -> dict[str, Any]:
    """A resource manager v1 Project."""
    return {
        "projectNumber": str(project.project_number),
        "projectId": project.project_id,
        "lifecycleState": "ACTIVE",
        "name": project.name,
        "createTime": project.create_time,
    }


def endpoints(services: Services) -> list[Route]:
    return [*_managed(services), *_compute(services), *_accounts(services)]


def _managed(services: Services) -> list[Route]:
    """Resource manager v1."""

    def project_of(request: Request) -> Project:
        return services.projects.get(request.path_params["project"])

    async def get(request: Request) -> Response:
        return answer(request, document(project_of(request)))

    async def list_all(request: Request) -> Response:
        query = request.query_params
        size, token = _size(query.get("pageSize", "")), query.get("pageToken", "")
        projects = services.projects.list()
        page = Page.asked("projects", size, token, MAX_PAGE)
        cut, following = page.cut(projects, [project.project_id for project in projects])
        found: dict[str, Any] = {"projects": [document(project) for project in cut]}
        return answer(request, {**found, "nextPageToken": following} if following else found)

    async def get_policy(request: Request) -> Response:
        name = project_name(project_of(request).project_id)
        return answer(request, policies.current(services.policies, name))

    async def set_policy(request: Request) -> Response:
        name = project_name(project_of(request).project_id)
        policy = (await document_of(request)).get("policy")
        if not isinstance(policy, dict):
            raise InvalidArgument("Invalid JSON payload received. A policy is missing.")
        return answer(request, policies.change(services.policies, name, policy))

    async def test_permissions(request: Request) -> Response:
        project_of(request)
        permissions = (await document_of(request)).get("permissions") or []
        return answer(request, {"permissions": permissions} if permissions else {})

    one = "/v1/projects/{project}"
    return [
        Route("/v1/projects", list_all, methods=["GET"]),
        Route(f"{one}:getIamPolicy", get_policy, methods=["POST"]),
        Route(f"{one}:setIamPolicy", set_policy, methods=["POST"]),
        Route(f"{one}:testIamPermissions", test_permissions, methods=["POST"]),
        Route(one, get, methods=["GET"]),
    ]


def _compute(services: Services) -> list[Route]:
    """What ``gcloud config set compute/region`` looks at."""

    def project_of(request: Request) -> Project:
        return services.projects.get(request.path_params["project"])

    known = services.catalog.regions

    async def region(request: Request) -> Response:
        return answer(request, _region(project_of(request), request.path_params["region"], known))

    async def zone(request: Request) -> Response:
        return answer(request, _zone(project_of(request), request.path_params["zone"], known))

    async def regions(request: Request) -> Response:
        project = project_of(request)
        items = [_region(project, name, known) for name in sorted(known)]
        return answer(request, {"kind": "compute#regionList", "items": items})

    one = "/compute/v1/projects/{project}"
    return [
        Route(f"{one}/regions", regions, methods=["GET"]),
        Route(f"{one}/regions/{{region}}", region, methods=["GET"]),
        Route(f"{one}/zones/{{zone}}", zone, methods=["GET"]),
    ]


def _accounts(services: Services) -> list[Route]:
    """Service accounts of iam and iamcredentials."""

    async def account(request: Request) -> Response:
        name, email = request.path_params["project"], request.path_params["email"]
        project = services.projects.default() if name == "-" else services.projects.get(name)
        return answer(request, _account(project, email))

    one = "/v1/projects/{project}/serviceAccounts/{email}"
    return [
        Route(f"{one}/allowedLocations", _unknown, methods=["GET"]),
        Route(one, account, methods=["GET"]),
    ]


async def _unknown(_: Request) -> Response:
    """google-auth asks for these and goes on at once when there are none."""
    raise HTTPException(404)


def _size(text: str) -> int:
    if text and not text.isdecimal():
        raise InvalidArgument(f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\"")
    return int(text or MAX_PAGE)


def _region(project: Project, name: str, known: Collection[str]) -> dict[str, Any]:
    if name not in known:
        raise NotFound(f"The resource 'projects/{project.project_id}/regions/{name}' was not found")
    return {"kind": "compute#region", "name": name, "description": name, "status": "UP"}


def _zone(project: Project, name: str, known: Collection[str]) -> dict[str, Any]:
    region, _, letter = name.rpartition("-")
    if region not in known or letter not in set(_ZONES):
        raise NotFound(f"The resource 'projects/{project.project_id}/zones/{name}' was not found")
    return {"kind": "compute#zone", "name": name, "region": region, "status": "UP"}


def _account(project: Project, email: str) -> dict[str, Any]:
    return {
        "name": f"projects/{project.project_id}/serviceAccounts/{email}",
        "projectId": project.project_id,
        "email": email,
        "uniqueId": str(project.project_number),
        "oauth2ClientId": str(project.project_number),
    }
