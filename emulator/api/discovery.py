"""The discovery document of ``ml`` v1, made from the same table that requests are read with."""

from functools import cache
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import schema
from emulator.api.rest import answer
from emulator.api.routes import flat_path
from emulator.schema import Field, Method

ROOT_URL: Final = "https://ml.googleapis.com/"
_SCOPE: Final = "https://www.googleapis.com/auth/"
_JSON_TYPES: Final = {
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "any": {"type": "any"},
    "int32": {"type": "integer", "format": "int32"},
    "double": {"type": "number", "format": "double"},
}


def endpoints() -> list[Route]:
    return [
        Route("/discovery/v1/apis/{name}/{version}/rest", _named, methods=["GET"]),
        Route("/$discovery/rest", _here, methods=["GET"]),
        Route("/cloud-ml/discovery/ml_v1_discovery.json", _here, methods=["GET"]),
        Route("/discovery/v1/apis", _list, methods=["GET"]),
    ]


async def _named(request: Request) -> Response:
    if (request.path_params["name"], request.path_params["version"]) != ("ml", "v1"):
        raise HTTPException(404)
    return answer(request, document())


async def _here(request: Request) -> Response:
    if request.query_params.get("version", "v1") != "v1":
        raise HTTPException(404)
    return answer(request, document())


async def _list(request: Request) -> Response:
    found = {name: document()[name] for name in ("id", "name", "version", "title")}
    found |= {
        "kind": "discovery#directoryItem",
        "discoveryRestUrl": f"{ROOT_URL}$discovery/rest?version=v1",
        "preferred": True,
    }
    items = [found] if request.query_params.get("name", "ml") == "ml" else []
    return answer(request, {"kind": "discovery#directoryList", "items": items})


@cache
def document() -> dict[str, Any]:
    """The whole document, but for descriptions."""
    table = schema.table()
    scopes = {_SCOPE + scope: {"description": scope} for scope in table.scopes}
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": f"{table.name}:{table.version}",
        "name": table.name,
        "version": table.version,
        "version_module": True,
        "revision": table.revision,
        "title": table.title,
        "description": table.title,
        "canonicalName": table.canonical_name,
        "documentationLink": table.documentation_link,
        "ownerDomain": "google.com",
        "ownerName": "Google",
        "protocol": "rest",
        "rootUrl": ROOT_URL,
        "baseUrl": ROOT_URL,
        "mtlsRootUrl": "https://ml.mtls.googleapis.com/",
        "basePath": "",
        "servicePath": "",
        "batchPath": "batch",
        "fullyEncodeReservedExpansion": True,
        "auth": {"oauth2": {"scopes": scopes}},
        "parameters": {name: _parameter(field) for name, field in table.parameters.items()},
        "resources": _resources(table.methods),
        "schemas": {
            name: {
                "id": name,
                "type": "object",
                "properties": {key: _field(field) for key, field in fields.items()},
            }
            for name, fields in table.messages.items()
        },
    }


def _field(field: Field) -> dict[str, Any]:
    one = _one(field)
    if field.many == "list":
        # the only repeated field of type any holds objects
        items = {"type": "object", "additionalProperties": one} if field.type == "any" else one
        one = {"type": "array", "items": items}
    elif field.many == "map":
        one = {"type": "object", "additionalProperties": one}
    return {**one, "readOnly": True} if field.output else one


def _one(field: Field) -> dict[str, Any]:
    match field.type:
        case "message":
            return {"$ref": field.of}
        case "enum":
            return {"type": "string", "enum": list(field.values)}
        case kind if kind in _JSON_TYPES:
            return dict(_JSON_TYPES[kind])
        case kind:
            return {"type": "string", "format": kind}


def _parameter(field: Field) -> dict[str, Any]:
    made = {**_one(field), "location": "query"}
    return {**made, "default": field.default} if field.default else made


def _resources(methods: dict[str, Method]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for name, method in methods.items():
        *collections, verb = name.split(".")
        node: dict[str, Any] = {"resources": root}
        for collection in collections:
            node = node.setdefault("resources", {}).setdefault(collection, {})
        node.setdefault("methods", {})[verb] = _method(name, method)
    return root


def _method(name: str, method: Method) -> dict[str, Any]:
    variable = method.path.partition("{+")[2].partition("}")[0]
    target = {"location": "path", "pattern": method.pattern, "required": True, "type": "string"}
    made: dict[str, Any] = {
        "id": f"ml.{name}",
        "httpMethod": method.http,
        "path": method.path,
        "flatPath": flat_path(method),
        "parameterOrder": [variable],
        "parameters": {
            variable: target,
            **{key: _parameter(field) for key, field in method.query.items()},
        },
        "response": {"$ref": method.response},
        "scopes": [_SCOPE + scope for scope in method.scopes],
    }
    return {**made, "request": {"$ref": method.request}} if method.request else made
