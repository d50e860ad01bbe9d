"""The same request, over the network and in process: the same answer."""

import re
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulator import Emulator
from emulator.testing import fake_service, intercept

pytestmark = pytest.mark.timeout(600)

ML = "https://ml.googleapis.com/v1"
STORAGE = "https://storage.googleapis.com"
FLAVOR = {"metadata-flavor": "Google"}
JOB = {
    "jobId": "census",
    "trainingInput": {
        "region": "us-central1",
        "pythonModule": "trainer.task",
        "packageUris": ["gs://conformity/none.tar.gz"],
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
    },
}
MULTIPART = (
    b'--b\r\ncontent-type: application/json\r\n\r\n{"name": "m", "metadata": {"a": "b"}}\r\n'
    b"--b\r\ncontent-type: text/plain\r\n\r\ntext\r\n--b--\r\n"
)
STEPS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", f"{ML}/projects/cmle-project:getConfig", {}),
    ("GET", f"{ML}/projects/p/locations", {}),
    ("GET", "https://us-central1-ml.googleapis.com/v1/projects/p/jobs", {}),
    ("GET", f"{ML}/projects/p/jobs/none?prettyPrint=false", {}),
    ("GET", f"{ML}/projects/p/jobs?pageSize=-1", {}),
    ("GET", f"{ML}/projects/p/nothing", {}),
    ("DELETE", f"{ML}/projects/p/jobs", {}),
    ("POST", f"{ML}/projects/p/jobs", {"content": b"{"}),
    ("POST", f"{ML}/projects/p/jobs", {"json": {"jobId": "1"}}),
    ("POST", f"{ML}/projects/p/jobs", {"json": {**JOB, "unknown": 1}}),
    ("POST", f"{ML}/projects/p/jobs", {"json": JOB}),
    ("POST", f"{ML}/projects/p/models", {"json": {"name": "m", "regions": ["us-central1"]}}),
    ("POST", f"{ML}/projects/p/models", {"json": {"name": "m"}}),
    ("GET", f"{ML}/projects/p/models", {}),
    ("PATCH", f"{ML}/projects/p/models/m?updateMask=description", {"json": {"description": "d"}}),
    ("GET", f"{ML}/projects/p/models/m", {}),
    ("POST", f"{ML}/projects/p/models/m:predict", {"json": {"instances": []}}),
    ("GET", f"{ML}/projects/p/models/m/versions", {}),
    ("DELETE", f"{ML}/projects/p/models/m", {}),
    ("GET", "https://www.googleapis.com/discovery/v1/apis/ml/v1/rest", {}),
    ("POST", "https://oauth2.googleapis.com/token", {"data": {"grant_type": "refresh_token"}}),
    ("POST", "https://oauth2.googleapis.com/token", {}),
    ("GET", "https://cloudresourcemanager.googleapis.com/v1/projects/p", {}),
    (
        "POST",
        "https://logging.googleapis.com/v2/entries:list",
        {"json": {"resourceNames": ["projects/p"], "filter": 'severity>="ERROR"'}},
    ),
    ("GET", "http://metadata.google.internal/computeMetadata/v1/project/project-id", {}),
    (
        "GET",
        "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/email",
        {"headers": FLAVOR},
    ),
    ("GET", f"{ML}/projects/p/jobs", {"headers": {"origin": "https://evil.example"}}),
    ("POST", f"{STORAGE}/storage/v1/b?project=p", {"json": {"name": "conformity"}}),
    ("POST", f"{STORAGE}/storage/v1/b?project=p", {"json": {"name": "conformity"}}),
    ("POST", f"{STORAGE}/storage/v1/b?project=p", {"json": {"name": "-"}}),
    (
        "POST",
        f"{STORAGE}/upload/storage/v1/b/conformity/o?uploadType=media&name=a%2Fb%20c",
        {"content": b"0123456789", "headers": {"content-type": "text/plain"}},
    ),
    (
        "POST",
        f"{STORAGE}/upload/storage/v1/b/conformity/o?uploadType=multipart",
        {"content": MULTIPART, "headers": {"content-type": "multipart/related; boundary=b"}},
    ),
    ("GET", f"{STORAGE}/storage/v1/b/conformity/o?delimiter=/", {}),
    ("GET", f"{STORAGE}/storage/v1/b/conformity/o/a%2Fb%20c?fields=name,size", {}),
    (
        "GET",
        f"{STORAGE}/storage/v1/b/conformity/o/a%2Fb%20c?alt=media",
        {"headers": {"range": "bytes=3-5"}},
    ),
    (
        "GET",
        f"{STORAGE}/storage/v1/b/conformity/o/a%2Fb%20c?alt=media",
        {"headers": {"range": "bytes=30-"}},
    ),
    ("HEAD", "https://conformity.storage.googleapis.com/a/b%20c", {}),
    ("GET", "https://conformity.storage.googleapis.com/none", {}),
    ("GET", "https://www.googleapis.com/storage/v1/b/conformity/o/m", {}),
    ("POST", f"{STORAGE}/batch/storage/v1", {"content": b""}),
    ("DELETE", f"{STORAGE}/storage/v1/b/conformity", {}),
    ("DELETE", f"{STORAGE}/storage/v1/b/conformity/o/m", {}),
]
VARY = re.compile(
    r'("(?:etag|generation|timeCreated|updated|timeStorageClassUpdated|timeFinalized|createTime'
    r'|startTime|endTime|id_token|mediaLink|id|selfLink)": ?)"[^"]*"'
)
STAMPED = re.compile(r"-\d{13}")  # an operation's
LAST = {"date", "etag", "last-modified", "x-goog-generation", "expires", "server"}


def comparable(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    """An answer without what differs between any two runs, and its framing."""
    headers = {name: value for name, value in answer.headers.items() if name not in LAST}
    text = STAMPED.sub("-", VARY.sub(r'\1"…"', answer.text))
    if text != answer.text or "chunked" in headers.get("transfer-encoding", ""):
        for name in ("content-length", "transfer-encoding", "x-goog-hash"):
            headers.pop(name, None)
    return answer.status_code, headers, text


@pytest.fixture(scope="module")
def engine() -> Iterator[Emulator]:
    with Emulator() as engine:
        yield engine


@pytest.fixture(scope="module")
def over_the_network(engine: Emulator) -> list[httpx.Response]:
    """By TLS through the gateway as a proxy, as clients are led there."""
    trusting = ssl.create_default_context(cafile=engine.endpoint.bundle_path)
    with httpx.Client(proxy=engine.url, verify=trusting, trust_env=False) as client:
        return [client.request(method, url, **more) for method, url, more in STEPS]


@pytest.fixture(scope="module")
def in_process() -> list[httpx.Response]:
    script = fake_service(check_uploads=True)
    with intercept(script, allow_network=False), httpx.Client(trust_env=False) as client:
        return [client.request(method, url, **more) for method, url, more in STEPS]


@pytest.mark.parametrize(
    "number",
    range(len(STEPS)),
    ids=lambda number: f"{number} {STEPS[number][0]} {STEPS[number][1]}",
)
def test_the_same_answer(
    number: int, over_the_network: list[httpx.Response], in_process: list[httpx.Response]
) -> None:
    assert comparable(in_process[number]) == comparable(over_the_network[number])


def test_a_running_emulator_can_answer_in_a_scripts_place(engine: Emulator) -> None:
    with intercept(engine), httpx.Client(trust_env=False) as client:
        made = client.post(f"{STORAGE}/storage/v1/b?project=p", json={"name": "by-intercept"})
        assert made.status_code == 200
    with engine.client() as own:
        assert own.document("GET", "/storage/v1/b/by-intercept")["name"] == "by-intercept"
        own.storage.remove("by-intercept")
