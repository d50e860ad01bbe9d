import pytest

from emulator.errors import NotFound
from emulator.projects import Projects, number_of


def test_every_well_formed_id_is_a_project() -> None:
    projects = Projects("first", "2020-01-01T00:00:00Z")

    found = projects.get("my-project-1")
    assert found.project_id == "my-project-1"
    assert found.project_number == number_of("my-project-1")
    assert len(str(found.project_number)) == 12
    assert [project.project_id for project in projects.list()] == ["first", "my-project-1"]


def test_a_project_is_found_by_its_number() -> None:
    projects = Projects("first", "2020-01-01T00:00:00Z")

    assert projects.get(str(number_of("first"))) == projects.default()


@pytest.mark.parametrize("name", ["", "A b", "-x", "../x", "12345"])
def test_a_malformed_id_is_none(name: str) -> None:
    with pytest.raises(NotFound):
        Projects("first", "").get(name)


def test_the_agent_carries_the_number() -> None:
    project = Projects("first", "").default()

    assert project.service_agent == (
        f"service-{project.project_number}@cloud-ml.google.com.iam.gserviceaccount.com"
    )
