from typing import Any

import httpx
import msgspec
import pytest

from emulator.identity import Identity, Kind
from tests.storage.conftest import PROJECT, Bucket

JOB = Identity(Kind.JOB, PROJECT, "job1", "job1@example.com")
STRANGER = Identity(Kind.VERSION, "other", "v1", "v1@example.com")
INSTALL = Identity(Kind.INSTALL, PROJECT, "install")


def ask(bucket: Bucket, who: Identity, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"x-test-identity": msgspec.json.encode(who).decode()}
    return bucket.client.request(method, path, headers=headers, **more)


def upload(bucket: Bucket, who: Identity, name: str) -> int:
    path = f"/upload{bucket.path}/o?uploadType=media&name={name}"
    return ask(bucket, who, "POST", path, content=b"x").status_code


def test_a_job_may_everything_in_its_project(bucket: Bucket) -> None:
    assert upload(bucket, JOB, "o") == 200
    assert ask(bucket, JOB, "GET", bucket.object_path("o")).status_code == 200
    assert ask(bucket, JOB, "GET", f"{bucket.path}/o").status_code == 200
    assert ask(bucket, JOB, "DELETE", bucket.object_path("o")).status_code == 204
    made = ask(bucket, JOB, "POST", "/storage/v1/b", json={"name": f"{bucket.name}-own"})
    assert made.status_code == 200


@pytest.mark.parametrize("who", [STRANGER, INSTALL], ids=lambda who: who.kind)
def test_others_may_nothing(bucket: Bucket, who: Identity) -> None:
    bucket.put("o", b"secret")
    path = bucket.object_path("o")

    assert upload(bucket, who, "o") == 403
    for method, where in (
        ("GET", path),
        ("GET", f"{path}?alt=media"),
        ("PATCH", path),
        ("DELETE", path),
        ("GET", bucket.path),
        ("GET", f"{bucket.path}/o"),
        ("GET", f"{bucket.path}/iam"),
        ("GET", f"/storage/v1/b?project={PROJECT}"),
        ("POST", f"{path}/rewriteTo/b/{bucket.name}/o/p"),
        ("POST", f"/upload{bucket.path}/o?uploadType=resumable&name=r"),
    ):
        assert ask(bucket, who, method, where).status_code == 403, where
    refused = ask(bucket, who, "POST", f"/storage/v1/b?project={PROJECT}", json={"name": "new-one"})
    assert refused.status_code == 403
    assert bucket.read("o").content == b"secret"


def test_the_refusal_is_the_services_own(bucket: Bucket) -> None:
    bucket.put("o")

    answer = ask(bucket, STRANGER, "GET", bucket.object_path("o"))

    assert answer.json()["error"]["message"] == (
        "v1@example.com does not have storage.objects.get access to the Google Cloud Storage "
        "object. Permission 'storage.objects.get' denied on resource (or it may not exist)."
    )


def test_nothing_is_copied_out_of_sight(bucket: Bucket) -> None:
    """Neither from nor into a bucket that the caller may not use."""
    bucket.put("o", b"secret")
    own = f"{bucket.name}-foreign"
    ask(bucket, STRANGER, "POST", "/storage/v1/b", json={"name": own})

    copy = f"{bucket.object_path('o')}/rewriteTo/b/{own}/o/o"
    assert ask(bucket, STRANGER, "POST", copy).status_code == 403
    ask(bucket, STRANGER, "POST", f"/upload/storage/v1/b/{own}/o?uploadType=media&name=mine")
    back = f"/storage/v1/b/{own}/o/mine/rewriteTo/b/{bucket.name}/o/theirs"
    assert ask(bucket, STRANGER, "POST", back).status_code == 403


def test_a_public_bucket_may_be_read(bucket: Bucket) -> None:
    bucket.put("o", b"open")
    bucket.client.put(
        f"{bucket.path}/iam",
        json={"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]},
    )

    assert ask(bucket, STRANGER, "GET", f"{bucket.path}/o").status_code == 200
    assert ask(bucket, STRANGER, "GET", bucket.object_path("o")).status_code == 200
    assert upload(bucket, STRANGER, "o") == 403


def test_a_public_object_may_be_read_and_its_bucket_not(bucket: Bucket) -> None:
    bucket.put("o", b"open")
    bucket.put("p", b"shut")
    bucket.client.post(
        f"{bucket.object_path('o')}/acl", json={"entity": "allUsers", "role": "READER"}
    )

    assert ask(bucket, STRANGER, "GET", f"{bucket.object_path('o')}?alt=media").content == b"open"
    assert ask(bucket, STRANGER, "DELETE", bucket.object_path("o")).status_code == 403
    assert ask(bucket, STRANGER, "GET", bucket.object_path("p")).status_code == 403
    assert ask(bucket, STRANGER, "GET", f"{bucket.path}/o").status_code == 403
