import pytest

from emulator import schema
from emulator.api import routes


@pytest.mark.parametrize(
    ("verb", "path", "method", "name"),
    [
        ("GET", "/v1/projects/p/jobs/j", "projects.jobs.get", "projects/p/jobs/j"),
        ("POST", "/v1/projects/p/jobs", "projects.jobs.create", "projects/p"),
        ("POST", "/v1/projects/p/jobs/j:cancel", "projects.jobs.cancel", "projects/p/jobs/j"),
        ("GET", "/v1/projects/x.com:p:getConfig", "projects.getConfig", "projects/x.com:p"),
        ("POST", "/v1/projects/p/models/m:predict", "projects.predict", "projects/p/models/m"),
        (
            "POST",
            "/v1/projects/p/models/m/versions/v:predict",
            "projects.predict",
            "projects/p/models/m/versions/v",
        ),
    ],
)
def test_finds_the_method(verb: str, path: str, method: str, name: str) -> None:
    found = routes.find(verb, path)
    assert isinstance(found, tuple)
    assert (found[0].id, found[1]) == (method, name)


def test_names_the_verbs_of_a_path() -> None:
    assert routes.find("PUT", "/v1/projects/p/jobs") == ["POST", "GET"]
    assert routes.find("GET", "/v1/projects/p") == []
    assert routes.find("GET", "/v2/projects/p/jobs") == []


def test_writes_flat_paths() -> None:
    method = schema.table().methods["projects.models.versions.setDefault"]
    assert routes.flat_path(method) == (
        "v1/projects/{projectsId}/models/{modelsId}/versions/{versionsId}:setDefault"
    )
