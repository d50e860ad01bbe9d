import pytest

from emulator.projects import number_of
from tests.storage.conftest import PROJECT, Bucket

USER = {"entity": "user-a@b.c", "role": "READER"}


def test_a_policy_begins_with_the_projects_team(bucket: Bucket) -> None:
    policy = bucket.client.get(f"{bucket.path}/iam").json()

    assert policy == {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{bucket.name}",
        "version": 1,
        "etag": "CAE=",
        "bindings": [
            {
                "role": "roles/storage.legacyBucketOwner",
                "members": [f"projectEditor:{PROJECT}", f"projectOwner:{PROJECT}"],
            },
            {
                "role": "roles/storage.legacyBucketReader",
                "members": [f"projectViewer:{PROJECT}"],
            },
        ],
    }


def test_a_policy_is_read_changed_and_written(bucket: Bucket) -> None:
    path = f"{bucket.path}/iam"
    policy = bucket.client.get(path).json()
    policy["bindings"].append({"role": "roles/storage.admin", "members": ["user:a@b.c"]})

    written = bucket.client.put(path, json=policy).json()

    assert written["bindings"] == policy["bindings"]
    assert bucket.client.get(path).json() == written
    assert written["etag"] != policy["etag"]
    assert bucket.client.put(path, json=policy).status_code == 412  # somebody else's etag by now
    assert bucket.client.put(path, json={"bindings": [{"members": []}]}).status_code == 400


def test_permissions_are_echoed(bucket: Bucket) -> None:
    asked = ["storage.buckets.get", "storage.objects.create"]

    answer = bucket.client.get(f"{bucket.path}/iam/testPermissions", params={"permissions": asked})

    assert answer.json()["permissions"] == asked
    bucket.put("o")
    path = f"{bucket.object_path('o')}/iam"
    assert bucket.client.get(path).json()["kind"] == "storage#policy"
    answer = bucket.client.get(f"{path}/testPermissions", params={"permissions": asked[:1]})
    assert answer.json()["permissions"] == asked[:1]
    assert bucket.client.put(path, json={}).status_code == 400


@pytest.mark.parametrize("which", ["acl", "defaultObjectAcl", "o/o/acl"])
def test_control_lists(bucket: Bucket, which: str) -> None:
    bucket.put("o")
    path = f"{bucket.path}/{which}"
    client = bucket.client
    before = [(entry["entity"], entry["role"]) for entry in client.get(path).json()["items"]]

    made = client.post(path, json=USER).json()

    number = number_of(PROJECT)
    assert before[0] == (f"project-owners-{number}", "OWNER")
    assert (made["entity"], made["role"], made["email"]) == ("user-a@b.c", "READER", "a@b.c")
    assert client.get(f"{path}/user-a@b.c").json() == made
    assert client.patch(f"{path}/user-a@b.c", json={"role": "OWNER"}).json()["role"] == "OWNER"
    after = client.get(path).json()["items"]
    assert [(entry["entity"], entry["role"]) for entry in after] == [
        *before,
        ("user-a@b.c", "OWNER"),
    ]
    assert client.delete(f"{path}/user-a@b.c").status_code == 204
    assert client.get(f"{path}/user-a@b.c").status_code == 404
    assert client.delete(f"{path}/user-a@b.c").status_code == 404
    assert client.put(f"{path}/user-x@y.z", json={"role": "READER"}).status_code == 404
    assert client.post(path, json={"entity": "user-a@b.c", "role": "KING"}).status_code == 400
    assert client.post(path, json={"role": "READER"}).status_code == 400


def test_a_changed_bucket_list_counts_as_a_change(bucket: Bucket) -> None:
    changed = bucket.client.patch(bucket.path, json={"acl": [USER]}).json()

    assert changed["metageneration"] == "2"
    assert [entry["entity"] for entry in changed["acl"]] == ["user-a@b.c"]
    wrong = {"ifMetagenerationMatch": "1"}
    assert bucket.client.post(f"{bucket.path}/acl", params=wrong, json=USER).status_code == 412


def test_new_objects_take_the_buckets_default_list(bucket: Bucket) -> None:
    bucket.put("before")
    bucket.client.patch(bucket.path, json={"defaultObjectAcl": [USER]})
    bucket.put("after")

    def entities(name: str) -> list[str]:
        acl = bucket.client.get(f"{bucket.object_path(name)}/acl").json()["items"]
        return [entry["entity"] for entry in acl]

    assert entities("after") == ["user-a@b.c"]
    assert "user-a@b.c" not in entities("before")
