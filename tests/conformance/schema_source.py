"""Make emulator/data/ml.v1.json from the discovery document of google-api-python-client.

Run as ``python tests/conformance/schema_source.py``: it writes the table anew.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[2] / "emulator" / "data" / "ml.v1.json"
SCOPE = "https://www.googleapis.com/auth/"
HEAD = ("name", "version", "revision", "title", "canonicalName", "documentationLink")


def document() -> dict[str, Any]:
    """The ``ml`` v1 document that the installed client is built with."""
    spec = find_spec("googleapiclient.discovery_cache")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "documents" / "ml.v1.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def field(source: dict[str, Any]) -> dict[str, Any]:
    """``{"type": "array", "items": {"$ref": "X"}}`` → ``{"type": "message", "of": "X", …}``."""
    if source.get("type") == "array":
        return {**field(source["items"]), "many": "list"}
    if "additionalProperties" in source:
        return {**field(source["additionalProperties"]), "many": "map"}
    made: dict[str, Any] = {"type": source.get("format", source.get("type"))}
    if "$ref" in source:
        made = {"type": "message", "of": source["$ref"]}
    if "enum" in source:
        made = {"type": "enum", "values": source["enum"]}
    if source.get("readOnly"):
        made["output"] = True
    return made


def list_of_maps(source: dict[str, Any]) -> bool:
    return source.get("type") == "array" and "additionalProperties" in source["items"]


def properties(source: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, dict[str, Any]] = {}
    for name, value in source.get("properties", {}).items():
        made[name] = {"type": "any", "many": "list"} if list_of_maps(value) else field(value)
        if value.get("readOnly"):
            made[name]["output"] = True
    return made


def methods(resource: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for method in resource.get("methods", {}).values():
        parameters = method["parameters"]
        (target,) = method["parameterOrder"]
        made[method["id"].removeprefix("ml.")] = {
            "http": method["httpMethod"],
            "path": method["path"],
            "pattern": parameters.pop(target)["pattern"],
            "query": {name: field(value) for name, value in parameters.items()},
            "request": method.get("request", {}).get("$ref", ""),
            "response": method["response"]["$ref"],
            "scopes": [scope.removeprefix(SCOPE) for scope in method["scopes"]],
        }
    for child in resource.get("resources", {}).values():
        made |= methods(child)
    return made


def table() -> dict[str, Any]:
    source = document()
    return {
        **{name: source[name] for name in HEAD},
        "scopes": [scope.removeprefix(SCOPE) for scope in source["auth"]["oauth2"]["scopes"]],
        "parameters": {
            name: {**field(value), "default": value.get("default", "")}
            for name, value in source["parameters"].items()
        },
        "methods": methods(source),
        "messages": {name: properties(value) for name, value in source["schemas"].items()},
    }


def text() -> str:
    """The table with one method, one message or one parameter a line."""
    lines = []
    for key, value in table().items():
        if isinstance(value, dict):
            inner = ",\n".join(f'"{k}":{compact(v)}' for k, v in sorted(value.items()))
            lines.append(f'"{key}":{{\n{inner}\n}}')
        else:
            lines.append(f'"{key}":{compact(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    TABLE.write_text(text(), encoding="utf-8")
