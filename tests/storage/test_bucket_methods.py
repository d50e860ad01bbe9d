from typing import Any

import httpx
import pytest

from emulator.projects import number_of
from tests.storage.conftest import PROJECT, Bucket


def create(client: httpx.Client, name: str, project: str = PROJECT, **body: Any) -> httpx.Response:
    return client.post("/storage/v1/b", params={"project": project}, json={"name": name, **body})


def test_a_bucket_as_the_service_shows_it(client: httpx.Client) -> None:
    given: dict[str, Any] = {"location": "europe-west1", "storageClass": "nearline"}
    made = create(client, "shown-bucket", labels={"team": "a"}, **given).json()
    shown = client.get("/storage/v1/b/shown-bucket").json()

    assert shown == made
    assert (shown["kind"], shown["id"]) == ("storage#bucket", "shown-bucket")
    assert (shown["location"], shown["locationType"]) == ("EUROPE-WEST1", "region")
    assert shown["storageClass"] == "NEARLINE"
    assert shown["labels"] == {"team": "a"}
    assert shown["projectNumber"] == str(number_of(PROJECT))
    assert shown["metageneration"] == "1"
    assert "acl" not in shown
    full = client.get("/storage/v1/b/shown-bucket", params={"projection": "full"}).json()
    assert {entry["role"] for entry in full["acl"] + full["defaultObjectAcl"]} == {
        "OWNER",
        "READER",
    }


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "Upper",
        "under_",
        "-a-b",
        "a" * 64,
        "10.0.0.1",
        "goog-x",
        "my-google-x",
        "a..b",
        "é-b-c",
        "",
    ],
)
def test_names_that_the_service_refuses(client: httpx.Client, name: str) -> None:
    answer = create(client, name)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"Invalid bucket name: '{name}'"


@pytest.mark.parametrize("name", ["a-b", "a_b.c", "0ab", f"{'a' * 60}.{'b' * 60}"])
def test_names_that_the_service_takes(client: httpx.Client, name: str) -> None:
    assert create(client, name).status_code == 200
    assert client.delete(f"/storage/v1/b/{name}").status_code == 204


def test_a_name_is_taken_once(client: httpx.Client) -> None:
    create(client, "taken-bucket")

    again = create(client, "taken-bucket")
    other = create(client, "taken-bucket", project="other")

    assert (again.status_code, other.status_code) == (409, 409)
    assert "you already own it" in again.json()["error"]["message"]
    assert "not available" in other.json()["error"]["message"]


def test_only_an_empty_bucket_can_be_deleted(bucket: Bucket) -> None:
    bucket.put("o")

    refused = bucket.client.delete(bucket.path)
    bucket.client.delete(bucket.object_path("o"))

    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == "The bucket you tried to delete is not empty."
    assert bucket.client.delete(bucket.path).status_code == 204
    assert bucket.client.get(bucket.path).status_code == 404
    assert bucket.client.delete(bucket.path).status_code == 404


def test_listing_a_projects_buckets(client: httpx.Client) -> None:
    for letter in "cab":
        create(client, f"listed-{letter}", project="listing")

    def names(**params: str) -> tuple[list[str], str | None]:
        answer = client.get("/storage/v1/b", params=params).json()
        return [item["name"] for item in answer.get("items", [])], answer.get("nextPageToken")

    assert names(project="listing") == (["listed-a", "listed-b", "listed-c"], None)
    first, token = names(project="listing", maxResults="2")
    assert (first, token) == (["listed-a", "listed-b"], "listed-b")
    assert names(project="listing", maxResults="2", pageToken=token or "") == (["listed-c"], None)
    assert names(project="listing", prefix="listed-b") == (["listed-b"], None)
    assert names(project=str(number_of("listing")))[0] == ["listed-a", "listed-b", "listed-c"]
    assert names(project="empty-project") == ([], None)


def test_patching_and_updating(bucket: Bucket) -> None:
    client, path = bucket.client, bucket.path
    client.patch(path, json={"labels": {"a": "1", "b": "2"}, "versioning": {"enabled": True}})

    patched = client.patch(
        path, json={"labels": {"a": None, "c": "3"}, "location": "ASIA", "name": "other"}
    ).json()

    assert patched["labels"] == {"b": "2", "c": "3"}
    assert patched["versioning"] == {"enabled": True}
    assert (patched["metageneration"], patched["location"], patched["name"]) == (
        "3",
        "US",
        bucket.name,
    )
    updated = client.put(path, json={"labels": {"z": "9"}}).json()
    assert updated["labels"] == {"z": "9"}
    assert "versioning" not in updated
    assert client.patch(path, json={"labels": {"Bad Key": "x"}}).status_code == 400
    assert client.patch(path, params={"ifMetagenerationMatch": "1"}, json={}).status_code == 412
    assert client.delete(path, params={"ifMetagenerationMatch": "1"}).status_code == 412


def test_uniform_access_by_either_name(bucket: Bucket) -> None:
    for name in ("uniformBucketLevelAccess", "bucketPolicyOnly"):
        answer = bucket.client.patch(
            bucket.path, json={"iamConfiguration": {name: {"enabled": True}}}
        ).json()
        assert answer["iamConfiguration"]["uniformBucketLevelAccess"] == {"enabled": True}
        assert answer["iamConfiguration"]["bucketPolicyOnly"] == {"enabled": True}


def test_what_clients_look_at_besides(bucket: Bucket) -> None:
    client, path = bucket.client, bucket.path

    assert client.get(f"{path}/storageLayout").json()["location"] == "US"
    assert client.get(f"{path}/managedFolders").json() == {"kind": "storage#managedFolders"}
    assert client.get(f"{path}/folders").json() == {"kind": "storage#folders"}
    assert client.get(f"{path}/notificationConfigs").json() == {"kind": "storage#notifications"}
    account = client.get(f"/storage/v1/projects/{PROJECT}/serviceAccount").json()
    assert account["email_address"].startswith(f"service-{number_of(PROJECT)}@gs-project-accounts")
    assert client.get("/storage/v1/b/none-such/managedFolders").status_code == 404


def test_paths_and_methods_that_are_not_served(bucket: Bucket) -> None:
    assert bucket.client.get("/storage/v1/nothing").status_code == 404
    assert bucket.client.get("/elsewhere").status_code == 404
    assert bucket.client.post(bucket.object_path("o")).status_code == 405
    assert bucket.client.get(f"{bucket.path}/o/%FF").status_code == 400
    assert bucket.client.get(f"{bucket.path}/o?prefix=%FF").status_code == 400
