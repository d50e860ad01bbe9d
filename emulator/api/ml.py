"""ml.googleapis.com: every method of the published table, decoded, checked and handed on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, request_response
from starlette.types import Receive, Scope, Send

from emulator import catalog, names, payload, resources, texts, unsupported, validation
from emulator.api import filters, policies, routes
from emulator.api.rest import JSON, Page, answer, body_of
from emulator.api.services import Services
from emulator.errors import InvalidArgument, NotFound, Unimplemented
from emulator.projects import Project
from emulator.resources import (
    Capability,
    Config,
    GetConfigResponse,
    Job,
    Location,
    Model,
    Operation,
    Version,
)

PREDICT_LIMIT: Final = 1_572_864
_T = TypeVar("_T", bound=msgspec.Struct)


class Call(msgspec.Struct, frozen=True):
    """A call of a method, decoded: ``ids`` by collection (``{"jobs": "j1"}``)."""

    name: str
    project: Project
    ids: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    raw: bytes

    @property
    def project_id(self) -> str:
        return self.project.project_id

    def resource(self, kind: type[_T]) -> _T:
        """The body as a resource."""
        return resources.decode(self.body, kind)


Reply = msgspec.Struct | dict[str, Any] | Response
Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Services, Call], Awaitable[Reply]]


class _Published(BaseRoute):
    """Takes a request if its path is one of the table; the verb is looked at later."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._app = request_response(endpoint)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        known = scope["type"] == "http" and routes.find(scope["method"], scope["path"])
        return (Match.FULL if known else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def endpoints(services: Services) -> list[BaseRoute]:
    async def serve(request: Request) -> Response:
        reply = await dispatch(services, request)
        if isinstance(reply, Response):
            return reply
        document = resources.encode(reply) if isinstance(reply, msgspec.Struct) else reply
        return answer(request, document)

    return [_Published(serve)]


async def dispatch(services: Services, request: Request) -> Reply:
    """Find the method, decode the request against the table and call its handler."""
    found = routes.find(request.method, request.url.path)
    if isinstance(found, list):
        raise (
            HTTPException(405, headers={"Allow": ", ".join(found)}) if found else HTTPException(404)
        )
    route, name = found
    handler = HANDLERS.get(route.id)
    if handler is None:
        method = f"ml.{route.id}"
        raise Unimplemented(unsupported.METHODS.format(method=method))
    opaque = route.id in OPAQUE
    raw = await body_of(request, PREDICT_LIMIT) if opaque else await body_of(request)
    message = "" if opaque else route.method.request
    ids = names.components(name)
    project = services.projects.get(ids["projects"])
    call = Call(
        name=f"projects/{project.project_id}" + name.removeprefix(f"projects/{ids['projects']}"),
        project=project,
        ids=ids,
        query=payload.read_query(route.method.query, dict(request.query_params)),
        body=payload.read(message, raw, root=payload.root_of(message)) if message else {},
        raw=raw,
    )
    return await handler(services, call)


def listed(call: Call, field: str, items: Sequence[_T], key: Callable[[_T], str]) -> Reply:
    """One page of a list, filtered; an empty list answers ``{}``."""
    text = call.query.get("filter", "")
    size, token = call.query.get("pageSize", 0), call.query.get("pageToken", "")
    page = Page.asked(f"{call.name}/{field}?{text}", size, token)
    if text:
        node = _filter(text)
        items = [item for item in items if _chosen(node, item)]
    cut, following = page.cut(items, [key(item) for item in items])
    found: dict[str, Any] = {field: [resources.encode(item) for item in cut]} if cut else {}
    return {**found, "nextPageToken": following} if following else found


def _chosen(node: filters.Node, item: msgspec.Struct) -> bool:
    return filters.matches(node, resources.encode(item), whole_words=True)


def _filter(text: str) -> filters.Node:
    try:
        return filters.parse(text)
    except filters.FilterError as error:
        raise InvalidArgument.field("filter", f"{texts.BAD_FILTER}: {error}.") from None


def submitted(job: Job) -> Job:
    """A job without what only the service writes."""
    return Job(
        job_id=job.job_id,
        training_input=job.training_input,
        prediction_input=job.prediction_input,
        labels=job.labels,
    )


def given(version: Version) -> Version:
    """A version without what only the service writes, or what creation ignores."""
    return replace(
        version,
        is_default=False,
        create_time=None,
        last_use_time=None,
        state="UNKNOWN",
        error_message="",
        etag=b"",
        request_logging_config=None,
        last_migration_time=None,
        last_migration_model_id="",
    )


async def create_job(services: Services, call: Call) -> Reply:
    job = submitted(call.resource(Job))
    validation.check_job(job, services.catalog)
    services.limits.check_job(job, services.catalog)
    services.faults.check_job(call.project_id, job)
    return await services.jobs.submit(call.project_id, job)


async def get_job(services: Services, call: Call) -> Reply:
    return services.jobs.get(call.project_id, call.ids["jobs"])


async def list_jobs(services: Services, call: Call) -> Reply:
    jobs = services.jobs.list(call.project_id)
    return listed(call, "jobs", jobs, lambda job: job.job_id)


async def patch_job(services: Services, call: Call) -> Reply:
    mask = validation.update_mask(call.query.get("updateMask", ""), validation.JOB_MASK)
    job = call.resource(Job)
    validation.check_labels(job.labels, "job.labels")
    labels = job.labels if "labels" in mask else None
    return services.jobs.patch(call.project_id, call.ids["jobs"], labels, job.etag)


async def cancel_job(services: Services, call: Call) -> Reply:
    await services.jobs.cancel(call.project_id, call.ids["jobs"])
    return {}


async def create_model(services: Services, call: Call) -> Reply:
    model = replace(call.resource(Model), default_version=None, etag=b"")
    validation.check_model(model)
    return services.models.create(call.project_id, model)


async def get_model(services: Services, call: Call) -> Reply:
    return services.models.get(call.project_id, call.ids["models"])


async def list_models(services: Services, call: Call) -> Reply:
    models = services.models.list(call.project_id)
    return listed(call, "models", models, lambda model: model.name)


async def patch_model(services: Services, call: Call) -> Reply:
    mask = validation.update_mask(call.query.get("updateMask", ""), validation.MODEL_MASK)
    model = call.resource(Model)
    validation.check_labels(model.labels, "model.labels")
    return await services.models.patch(call.project_id, call.ids["models"], model, mask)


async def delete_model(services: Services, call: Call) -> Reply:
    operation = await services.models.delete(call.project_id, call.ids["models"])
    services.policies.forget(call.name)
    return operation


async def create_version(services: Services, call: Call) -> Reply:
    version = given(call.resource(Version))
    validation.check_version(version, services.catalog)
    services.limits.check_version(version, services.catalog)
    return await services.models.create_version(call.project_id, call.ids["models"], version)


async def get_version(services: Services, call: Call) -> Reply:
    ids = call.ids
    return services.models.get_version(call.project_id, ids["models"], ids["versions"])


async def list_versions(services: Services, call: Call) -> Reply:
    versions = services.models.list_versions(call.project_id, call.ids["models"])
    return listed(call, "versions", versions, lambda version: version.name)


async def patch_version(services: Services, call: Call) -> Reply:
    mask = validation.update_mask(call.query.get("updateMask", ""), validation.VERSION_MASK)
    version, ids = call.resource(Version), call.ids
    validation.check_labels(version.labels, "version.labels")
    return await services.models.patch_version(
        call.project_id, ids["models"], ids["versions"], version, mask
    )


async def delete_version(services: Services, call: Call) -> Reply:
    ids = call.ids
    return await services.models.delete_version(call.project_id, ids["models"], ids["versions"])


async def set_default(services: Services, call: Call) -> Reply:
    ids = call.ids
    return services.models.set_default(call.project_id, ids["models"], ids["versions"])


async def get_operation(services: Services, call: Call) -> Reply:
    return services.operations.get(call.project_id, call.ids["operations"])


async def list_operations(services: Services, call: Call) -> Reply:
    operations: Sequence[Operation] = services.operations.list(call.project_id)
    return listed(call, "operations", operations, lambda operation: operation.name)


async def cancel_operation(services: Services, call: Call) -> Reply:
    await services.operations.cancel(call.project_id, call.ids["operations"])
    return {}


async def predict(services: Services, call: Call) -> Reply:
    services.faults.check_prediction(call.project)
    status, content = await services.predict.predict(call.name, call.raw)
    return Response(content, status, media_type=JSON)


async def get_config(_: Services, call: Call) -> Reply:
    return GetConfigResponse(
        service_account=call.project.service_agent,
        service_account_project=call.project.project_number,
        config=Config(tpu_service_account=call.project.tpu_service_agent),
    )


async def get_location(services: Services, call: Call) -> Reply:
    region = services.catalog.regions.get(call.ids["locations"])
    if region is None:
        raise NotFound.field("name", texts.LOCATION_NOT_FOUND)
    return _location(call.project_id, call.ids["locations"], region)


async def list_locations(services: Services, call: Call) -> Reply:
    regions = sorted(services.catalog.regions.items())
    locations = [_location(call.project_id, name, region) for name, region in regions]
    return listed(call, "locations", locations, lambda location: location.name)


def _location(project_id: str, name: str, region: catalog.Region) -> Location:
    kinds = ["TRAINING", "BATCH_PREDICTION"] * region.training
    kinds += ["ONLINE_PREDICTION"] * region.online
    return Location(
        name=names.location_name(project_id, name),
        capabilities=tuple(
            Capability(type=kind, available_accelerators=region.accelerators) for kind in kinds
        ),
    )


def _policy_holder(services: Services, call: Call) -> None:
    """The job or model of a policy must be there."""
    if "jobs" in call.ids:
        services.jobs.get(call.project_id, call.ids["jobs"])
    else:
        services.models.get(call.project_id, call.ids["models"])


async def get_policy(services: Services, call: Call) -> Reply:
    _policy_holder(services, call)
    return policies.current(services.policies, call.name)


async def set_policy(services: Services, call: Call) -> Reply:
    _policy_holder(services, call)
    return policies.change(services.policies, call.name, call.body.get("policy", {}))


async def test_permissions(services: Services, call: Call) -> Reply:
    """Everything is permitted; a resource that is not there answers nothing."""
    try:
        _policy_holder(services, call)
    except NotFound:
        return {}
    permissions = call.body.get("permissions", [])
    return {"permissions": permissions} if permissions else {}


OPAQUE: Final = frozenset({"projects.predict"})
HANDLERS: Final[Mapping[str, Handler]] = {
    "projects.getConfig": get_config,
    "projects.predict": predict,
    "projects.jobs.create": create_job,
    "projects.jobs.get": get_job,
    "projects.jobs.list": list_jobs,
    "projects.jobs.patch": patch_job,
    "projects.jobs.cancel": cancel_job,
    "projects.jobs.getIamPolicy": get_policy,
    "projects.jobs.setIamPolicy": set_policy,
    "projects.jobs.testIamPermissions": test_permissions,
    "projects.locations.get": get_location,
    "projects.locations.list": list_locations,
    "projects.locations.operations.get": get_operation,
    "projects.locations.operations.cancel": cancel_operation,
    "projects.models.create": create_model,
    "projects.models.get": get_model,
    "projects.models.list": list_models,
    "projects.models.patch": patch_model,
    "projects.models.delete": delete_model,
    "projects.models.getIamPolicy": get_policy,
    "projects.models.setIamPolicy": set_policy,
    "projects.models.testIamPermissions": test_permissions,
    "projects.models.versions.create": create_version,
    "projects.models.versions.get": get_version,
    "projects.models.versions.list": list_versions,
    "projects.models.versions.patch": patch_version,
    "projects.models.versions.delete": delete_version,
    "projects.models.versions.setDefault": set_default,
    "projects.operations.get": get_operation,
    "projects.operations.list": list_operations,
    "projects.operations.cancel": cancel_operation,
}
