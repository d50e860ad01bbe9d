from collections.abc import Callable

import httpx
import pytest

Ask = Callable[..., httpx.Response]


@pytest.mark.parametrize(
    "path",
    [
        "/discovery/v1/apis/ml/v1/rest",
        "/$discovery/rest?version=v1",
        "/cloud-ml/discovery/ml_v1_discovery.json",
    ],
)
def test_serves_one_document_at_three_urls(ask: Ask, path: str) -> None:
    answer = ask("GET", path)
    assert answer.headers["content-type"].startswith("application/json")
    found = answer.json()
    assert found["id"] == "ml:v1"
    assert found["rootUrl"] == "https://ml.googleapis.com/"
    jobs = found["resources"]["projects"]["resources"]["jobs"]["methods"]
    assert jobs["create"]["flatPath"] == "v1/projects/{projectsId}/jobs"


@pytest.mark.parametrize(
    "path", ["/discovery/v1/apis/compute/v1/rest", "/$discovery/rest?version=v1beta1"]
)
def test_has_no_other_documents(ask: Ask, path: str) -> None:
    assert ask("GET", path).status_code == 404


def test_lists_itself(ask: Ask) -> None:
    items = ask("GET", "/discovery/v1/apis?name=ml").json()["items"]
    assert [one["id"] for one in items] == ["ml:v1"]
    assert ask("GET", "/discovery/v1/apis?name=drive").json()["items"] == []
