"""Interception as a whole: what is answered, what is not, and what is left behind."""

import asyncio
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httplib2
import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter

from emulator.errors import OperatorError
from emulator.testing import Interception, Unmatched, fake_service, intercept

Call = Callable[..., dict[str, Any]]
Submit = Callable[..., dict[str, Any]]
PROJECT = "projects/p1"
METADATA = "http://metadata.google.internal/computeMetadata/v1/project/project-id"
FLAVOR = {"Metadata-Flavor": "Google"}
CHANGED = {
    "requests": (HTTPAdapter, "send"),
    "httpx": (httpx.HTTPTransport, "handle_request"),
    "httpx async": (httpx.AsyncHTTPTransport, "handle_async_request"),
    "httplib2": (httplib2.Http, "request"),
    "http": (http.client.HTTPConnection, "connect"),
    "https": (http.client.HTTPSConnection, "connect"),
    "sleep": (time, "sleep"),
    "asyncio": (asyncio, "sleep"),
}


def seams() -> dict[str, object]:
    return {name: getattr(owner, attribute) for name, (owner, attribute) in CHANGED.items()}


@pytest.fixture(autouse=True)
def _nothing_stays_changed() -> Iterator[None]:
    before, threads = seams(), threading.active_count()
    yield
    assert seams() == before
    assert threading.active_count() == threads


class _Local(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"local")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def local() -> Iterator[str]:
    """The address of a server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Local) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def project_of(cloud: Interception) -> str:
    found = requests.get(METADATA, headers=FLAVOR, timeout=5).text
    assert cloud.requests[-1].url == METADATA
    return found


def test_changes_every_seam_and_changes_it_back() -> None:
    before = seams()
    with intercept():
        assert all(during is not before[name] for name, during in seams().items())


def test_is_a_decorator_too(call: Call) -> None:
    @intercept()
    def listed() -> dict[str, Any]:
        return call("GET", f"{PROJECT}/jobs")

    assert listed() == listed() == {}


def test_every_block_begins_anew(call: Call, submit: Submit) -> None:
    script = fake_service(buckets=["a-bucket"])
    for _ in range(2):
        with intercept(script) as cloud:
            assert submit("once")["state"] == "QUEUED"
            cloud.clock.advance(99)
            assert len(call("GET", f"{PROJECT}/jobs")["jobs"]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://ml.googleapis.com/v1/projects/p1/jobs",
        "https://us-central1-ml.googleapis.com/v1/projects/p1/jobs",
        "https://storage.googleapis.com/storage/v1/b?project=p1",
        "https://www.googleapis.com/storage/v1/b?project=p1",
        "https://bucket.storage.googleapis.com/",
        "https://www.googleapis.com/discovery/v1/apis/ml/v1/rest",
        "https://oauth2.googleapis.com/tokeninfo",
        "https://cloudresourcemanager.googleapis.com/v1/projects/p1",
        METADATA,
        "http://169.254.169.254/computeMetadata/v1/project/project-id",
    ],
)
def test_answers_for_each_of_googles_hosts(url: str) -> None:
    with intercept(fake_service(buckets=["bucket"])) as cloud:
        answer = requests.get(url, headers=FLAVOR, timeout=5)
        assert answer.status_code == 200, answer.text
        assert [(seen.method, seen.url) for seen in cloud.requests] == [("GET", url)]


def test_all_projects_have_the_time_of_the_script() -> None:
    with intercept() as cloud:
        url = "https://ml.googleapis.com/cmle/v1/projects/p1/clock"
        skipped = requests.post(f"{url}:advance", json={"duration": "3600s"}, timeout=5).json()
        assert skipped["ahead"] == "3600s"
        assert cloud.clock.elapsed == 3600
        refused = requests.patch(url, json={"queueDelay": "3600s"}, timeout=5)
        assert refused.json()["error"]["status"] == "FAILED_PRECONDITION"
        assert requests.get(url, timeout=5).json() == skipped


def test_what_is_not_served_is_answered_as_ever(call: Call) -> None:
    with intercept():
        error = call("GET", "projects/p1/nothing")["error"]
        assert (error["code"], error["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "url",
    ["https://vision.googleapis.com/v1/images:annotate", "https://bigquery.googleapis.com/x?y=1"],
)
@pytest.mark.parametrize("client", ["requests", "httpx", "httplib2"])
def test_an_unmatched_host_fails_with_the_request_named(client: str, url: str) -> None:
    clients: dict[str, Callable[[str], object]] = {
        "requests": requests.get,
        "httpx": httpx.get,
        "httplib2": lambda url: httplib2.Http().request(url),
    }
    with (
        pytest.raises(Unmatched, match=r"^GET https://\w+.googleapis.com/\S+ was not answered"),
        intercept(),
    ):
        clients[client](url)


def test_an_unmatched_host_fails_although_the_code_caught_it() -> None:
    def careless() -> None:
        try:
            requests.get("https://vision.googleapis.com/v1/x", timeout=5)
        except Exception:  # noqa: BLE001 that is what it shows
            return

    with pytest.raises(Unmatched, match=r"GET https://vision\.googleapis\.com/v1/x"), intercept():
        careless()


def test_the_failure_of_the_block_itself_comes_first() -> None:
    def fail() -> None:
        with pytest.raises(Unmatched):
            requests.get("https://vision.googleapis.com/v1/x", timeout=5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), intercept():
        fail()


@pytest.mark.parametrize("allow_network", [True, False])
def test_this_machine_is_reached_as_ever(local: str, *, allow_network: bool) -> None:
    with intercept(allow_network=allow_network) as cloud:
        assert requests.get(local, timeout=5).text == "local"
        assert httpx.get(local).text == "local"
        assert httplib2.Http().request(local)[1] == b"local"
        assert cloud.requests == []


def test_other_hosts_can_be_forbidden() -> None:
    with (
        pytest.raises(Unmatched, match=r"GET https://pypi\.example/x .*allow_network=True"),
        intercept(allow_network=False),
    ):
        httpx.get("https://pypi.example/x")


def test_the_inner_one_answers() -> None:
    with intercept(fake_service(project="outer")) as outer:
        with intercept(fake_service(project="inner")) as inner:
            assert project_of(inner) == "inner"
        assert project_of(outer) == "outer"
        assert len(outer.requests) == 1


def test_each_thread_has_its_own() -> None:
    together = threading.Barrier(4)

    def run(name: str) -> list[str]:
        with intercept(fake_service(project=name)) as cloud:
            together.wait(20)
            found = [project_of(cloud) for _ in range(10)]
            together.wait(20)
            return found

    names = [f"project-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, names)) == [[name] * 10 for name in names]


def test_threads_of_the_block_are_answered_by_it(submit: Submit, call: Call) -> None:
    with intercept() as cloud:
        with ThreadPoolExecutor(8) as pool:
            states = list(pool.map(lambda number: submit(f"j{number}")["state"], range(24)))
        assert set(states) == {"QUEUED"}
        assert len(call("GET", f"{PROJECT}/jobs?pageSize=100")["jobs"]) == 24
        assert len(cloud.requests) == 25


def test_blocks_that_overlap_leave_nothing() -> None:
    first, second = intercept(), intercept(fake_service(project="second"))
    first.__enter__()
    second_cloud = second.__enter__()
    first.__exit__(None, None, None)
    assert project_of(second_cloud) == "second"
    second.__exit__(None, None, None)


def test_a_connection_that_outlives_its_block_is_gone() -> None:
    with intercept():
        connection = http.client.HTTPConnection("metadata.google.internal", timeout=5)
        connection.request("GET", "/", headers=FLAVOR)
        assert connection.getresponse().read() == b"computeMetadata/\n"
    connection.request("GET", "/")
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    connection.close()


def test_leaves_no_folder_behind(submit: Submit) -> None:
    places = [Path("/dev/shm"), Path("/tmp")]  # noqa: S108 to look, not to write
    pattern = "cmle-intercept-*"

    def folders() -> set[Path]:
        return {found for place in places if place.is_dir() for found in place.glob(pattern)}

    before = folders()
    with intercept():
        submit("j")
        during = folders()
    assert len(during - before) == 1
    assert not (during - before) & folders()


def test_a_block_that_cannot_be_opened_changes_nothing() -> None:
    with (
        pytest.raises(AssertionError, match="Invalid bucket name"),
        intercept(fake_service(buckets=["-"])),
    ):
        raise NotImplementedError


def test_virtual_time_needs_a_script() -> None:
    class Elsewhere:
        url, project = "http://127.0.0.1:1", "p"

    with intercept(Elsewhere()) as cloud:
        with pytest.raises(OperatorError, match="real time"):
            _ = cloud.clock
        answer = httpx.get("https://ml.googleapis.com/v1/projects/p/jobs")
        assert answer.status_code == 502
        assert "cannot be reached" in answer.text
