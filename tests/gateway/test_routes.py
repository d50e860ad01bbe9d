import json

import pytest

from emulator.cluster import Network
from emulator.gateway import routes
from emulator.gateway.routes import Asked, Outside, Place, Refusal
from emulator.identity import Identity

PORTS = frozenset({8787})
USER = Network(Identity(), "google", ("pypi.example", "data.example:8443"))
INSTALL = Network(Identity(), "hosts", ("index.example:443",))


def ask(host: str, path: str = "/", **more: object) -> Place | Outside | Refusal:
    port = int(str(more.pop("port", 443)))
    asked = Asked(host, port, path, str(more.get("origin", "")), bool(more.get("proxied")))
    return routes.request(asked, PORTS, USER)


@pytest.mark.parametrize(
    ("host", "path", "place"),
    [
        ("storage.googleapis.com", "/bucket/object", Place.STORAGE),
        ("storage.googleapis.com", "/storage/v1/b", Place.STORAGE),
        ("my.bucket.storage.googleapis.com", "/o", Place.STORAGE),
        ("storage.googleapis.com", "/cloud-ml/discovery/ml_v1_discovery.json", Place.APPLICATION),
        ("storage.googleapis.com", "/cloud-ml/discovery/other", Place.STORAGE),
        ("www.googleapis.com", "/storage/v1/b/B/o/O", Place.STORAGE),
        ("www.googleapis.com", "/upload/storage/v1/b/B/o", Place.STORAGE),
        ("www.googleapis.com", "/resumable/upload/storage/v1/b/B/o", Place.STORAGE),
        ("www.googleapis.com", "/download/storage/v1/b/B/o/O", Place.STORAGE),
        ("www.googleapis.com", "/batch/storage/v1", Place.STORAGE),
        ("www.googleapis.com", "/oauth2/v4/token", Place.APPLICATION),
        ("www.googleapis.com", "/discovery/v1/apis/ml/v1/rest", Place.APPLICATION),
        ("www.googleapis.com", "/storageful", Place.APPLICATION),
        ("ml.googleapis.com", "/v1/projects/p/jobs", Place.APPLICATION),
        ("europe-west4-ml.googleapis.com", "/v1/x", Place.APPLICATION),
        ("logging.googleapis.com", "/v2/entries:list", Place.APPLICATION),
        ("169.254.169.254", "/computeMetadata/v1/", Place.APPLICATION),
        ("metadata", "/", Place.APPLICATION),
        ("127.0.0.1", "/storage/v1/b", Place.STORAGE),
        ("localhost", "/upload/storage/v1/b/B/o", Place.STORAGE),
        ("::1", "/v1/projects", Place.APPLICATION),
        ("127.0.0.1", "/cmle/v1/projects/p/clock", Place.APPLICATION),
        ("127.0.0.1", "/v2/entries:list", Place.APPLICATION),
        ("127.0.0.1", "/$discovery/rest", Place.APPLICATION),
        ("127.0.0.1", "/token", Place.APPLICATION),
        ("127.0.0.1", "/", Place.APPLICATION),
    ],
)
def test_requests_find_their_application(host: str, path: str, place: Place) -> None:
    assert ask(host, path) is place


def test_other_paths_of_the_own_address_are_unknown() -> None:
    answer = ask("127.0.0.1", "/bucket/object")

    assert isinstance(answer, Refusal)
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize("host", ["example.com", "bigquery.googleapis.com", "10.0.0.1"])
def test_unknown_hosts_are_refused_with_the_cure(host: str) -> None:
    for answer in (routes.connect(host, 443, PORTS, USER), ask(host, proxied=True)):
        assert isinstance(answer, Refusal)
        assert answer.status == 404
        assert "offline" in answer.message
        assert f"--allow-host {host}." in answer.message


def test_allowed_hosts_are_let_through() -> None:
    assert routes.connect("pypi.example", 443, PORTS, USER) == Outside("pypi.example", 443)
    assert ask("pypi.example", proxied=True, port=80) == Outside("pypi.example", 80)
    assert routes.connect("data.example", 8443, PORTS, USER) == Outside("data.example", 8443)
    assert isinstance(routes.connect("data.example", 443, PORTS, USER), Refusal)


def test_allowing_google_opens_no_way_to_google() -> None:
    network = Network(Identity(), "google", ("storage.googleapis.com",))

    assert routes.connect("storage.googleapis.com", 443, PORTS, network) is None


def test_the_own_port_is_here_and_other_loopback_ports_are_not() -> None:
    assert routes.connect("localhost", 8787, PORTS, USER) is None
    assert isinstance(routes.connect("localhost", 5432, PORTS, USER), Refusal)
    assert isinstance(ask("127.0.0.1", "/v1/x", port=5432, proxied=True), Refusal)


def test_an_installation_reaches_its_hosts_alone() -> None:
    assert routes.connect("index.example", 443, PORTS, INSTALL) == Outside("index.example", 443)
    for host in ("storage.googleapis.com", "localhost", "other.example"):
        assert isinstance(routes.connect(host, 8787, PORTS, INSTALL), Refusal)
    direct = routes.request(Asked("localhost", 8787, "/v1/projects"), PORTS, INSTALL)
    assert isinstance(direct, Refusal)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1", "http://"],
)
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    answer = ask("127.0.0.1", "/v1/projects/p/jobs", port=8787, origin=origin)

    assert isinstance(answer, Refusal)
    assert answer.status == 403
    assert origin in answer.message


def test_the_emulators_own_pages_are_served() -> None:
    answer = ask("127.0.0.1", "/v1/projects", port=8787, origin="http://127.0.0.1:8787")

    assert answer is Place.APPLICATION


def test_a_foreign_host_is_refused_as_a_page_may_send_it() -> None:
    answer = ask("rebound.example", "/v1/projects", port=8787)

    assert isinstance(answer, Refusal)
    assert answer.status == 403
    assert "rebound.example" in answer.message
