import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from emulator import catalog
from emulator.api import application
from emulator.api.services import Services

Ask = Callable[..., httpx.Response]


def test_describes_a_project(ask: Ask, services: Services) -> None:
    project = services.projects.get("demo")
    expected = {
        "projectNumber": str(project.project_number),
        "projectId": "demo",
        "lifecycleState": "ACTIVE",
        "name": "demo",
        "createTime": "2026-01-02T03:04:05Z",
    }
    assert ask("GET", "/v1/projects/demo").json() == expected
    assert ask("GET", f"/v1/projects/{project.project_number}").json() == expected


def test_lists_projects(ask: Ask) -> None:
    ask("GET", "/v1/projects/second")
    query = "filter=lifecycleState%3AACTIVE&pageSize=500"
    found = ask("GET", f"/v1/projects?{query}").json()["projects"]
    assert [one["projectId"] for one in found] == ["demo", "second"]
    first = ask("GET", "/v1/projects?pageSize=1").json()
    rest = ask("GET", f"/v1/projects?pageSize=1&pageToken={first['nextPageToken']}").json()
    assert [one["projectId"] for one in rest["projects"]] == ["second"]


def test_keeps_a_projects_policy(ask: Ask) -> None:
    assert ask("POST", "/v1/projects/demo:getIamPolicy", json={}).json() == {"etag": "ACAB"}
    policy = {"bindings": [{"role": "roles/owner", "members": ["user:a@b"]}]}
    kept = ask("POST", "/v1/projects/demo:setIamPolicy", json={"policy": policy}).json()
    assert ask("POST", "/v1/projects/demo:getIamPolicy", json={}).json() == kept
    assert kept["bindings"] == policy["bindings"]
    assert ask("POST", "/v1/projects/demo:setIamPolicy", json={}).status_code == 400
    body = {"permissions": ["ml.jobs.create"]}
    assert ask("POST", "/v1/projects/demo:testIamPermissions", json=body).json() == body


def test_the_service_is_not_shadowed(ask: Ask, services: Services) -> None:
    found = ask("GET", "/v1/projects/demo:getConfig").json()
    assert found["serviceAccount"] == services.projects.get("demo").service_agent
    assert found["config"]["tpuServiceAccount"].startswith("service-")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("regions/us-central1", "compute#region"), ("zones/us-central1-a", "compute#zone")],
)
def test_knows_regions_and_zones(ask: Ask, path: str, kind: str) -> None:
    found = ask("GET", f"/compute/v1/projects/demo/{path}").json()
    assert (found["kind"], found["name"], found["status"]) == (kind, path.split("/")[1], "UP")


@pytest.mark.parametrize("path", ["regions/mars", "zones/us-central1-z", "zones/x"])
def test_unknown_places_are_not_found(ask: Ask, path: str) -> None:
    answer = ask("GET", f"/compute/v1/projects/demo/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == "NOT_FOUND"


def test_lists_regions(ask: Ask) -> None:
    found = ask("GET", "/compute/v1/projects/demo/regions").json()["items"]
    assert {"us-central1", "europe-west4"} <= {one["name"] for one in found}


def test_regions_are_of_the_emulators_own_catalogue(services: Services, tmp_path: Path) -> None:
    (tmp_path / "regions.toml").write_text("[mars-east1]\ntraining = true\n")
    own = msgspec.structs.replace(services, catalog=catalog.load(tmp_path))

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(application(own))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/compute/v1/projects/demo/regions/mars-east1")

    assert asyncio.run(asked()).json()["name"] == "mars-east1"


def test_answers_for_service_accounts(ask: Ask) -> None:
    one = "/v1/projects/-/serviceAccounts/a@demo.iam.gserviceaccount.com"
    assert ask("GET", one).json()["email"] == "a@demo.iam.gserviceaccount.com"
    assert ask("GET", f"{one}/allowedLocations").status_code == 404
