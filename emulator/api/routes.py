"""Which method of the published table a request calls."""

import re
from functools import cache
from typing import Final

import msgspec

from emulator import schema
from emulator.schema import Method

_VARIABLE: Final = re.compile(r"\{\+\w+\}")
_COLLECTION: Final = re.compile(r"(\w+)/(?:\[\^/\]\+|\.\*)")


class Route(msgspec.Struct, frozen=True):
    """``form`` matches a path and gives the resource name as its first group."""

    id: str
    method: Method
    form: re.Pattern[str]


@cache
def routes() -> tuple[Route, ...]:
    """All methods, those with a custom verb (``:cancel``) first."""
    found = [Route(name, method, _form(method)) for name, method in schema.table().methods.items()]
    return tuple(sorted(found, key=lambda route: ":" not in route.method.path))


def find(verb: str, path: str) -> tuple[Route, str] | list[str]:
    """The route and the resource name; else the verbs that the path does have."""
    verbs = []
    for route in routes():
        if found := route.form.fullmatch(path):
            if route.method.http == verb:
                return route, found[1]
            verbs.append(route.method.http)
    return verbs


def flat_path(method: Method) -> str:
    """``v1/{+name}:cancel`` → ``v1/projects/{projectsId}/jobs/{jobsId}:cancel``."""
    name = _COLLECTION.sub(r"\1/{\1Id}", method.pattern.strip("^$"))
    return _VARIABLE.sub(name, method.path)


def _form(method: Method) -> re.Pattern[str]:
    before, after = _VARIABLE.split(method.path)
    return re.compile(f"/{re.escape(before)}({method.pattern.strip('^$')}){re.escape(after)}")
