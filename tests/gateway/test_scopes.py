import pytest

from emulator.cluster import Network
from emulator.gateway import heads
from emulator.gateway.scopes import Surroundings, read
from emulator.identity import Identity, Kind

IDENTITY = Identity(Kind.JOB, "p", "j")
PLAIN = Surroundings(Network(IDENTITY), secure=False, host="localhost", port=0, peer=None)
SECURE = Surroundings(Network(IDENTITY), secure=True, host="ml.googleapis.com", port=0, peer=None)


def head(*lines: str) -> heads.Head:
    return heads.parse("\r\n".join(lines).encode("latin-1"))


def test_paths_are_decoded_and_kept_as_they_came() -> None:
    scope = read(head("GET /b/caf%C3%A9%2F%FF?x=%20&y HTTP/1.1", "Host: h:81"), PLAIN).scope

    assert scope["raw_path"] == b"/b/caf%C3%A9%2F%FF"
    assert scope["path"] == "/b/caf\u00e9/\ufffd"
    assert scope["query_string"] == b"x=%20&y"
    assert scope["server"] == ("h", 81)
    assert scope["identity"] == IDENTITY


def test_a_request_without_a_host_is_for_the_connections() -> None:
    request = read(head("GET / HTTP/1.0"), SECURE)

    assert request.asked.host == "ml.googleapis.com"
    assert request.scope["server"] == ("ml.googleapis.com", 443)
    assert request.scope["headers"] == [(b"host", b"ml.googleapis.com")]
    assert request.scope["scheme"] == "https"


@pytest.mark.parametrize(
    ("target", "host", "path", "scheme"),
    [
        ("http://H.example/a?b", "h.example", b"/a", "http"),
        ("HTTP://user@h.example:8080", "h.example", b"/", "http"),
        ("https://h.example?b", "h.example", b"/", "https"),
    ],
)
def test_absolute_targets(target: str, host: str, path: bytes, scheme: str) -> None:
    request = read(head(f"GET {target} HTTP/1.1", "Host: other"), PLAIN)

    assert request.asked.proxied
    assert request.asked.host == host
    assert request.scope["raw_path"] == path
    assert request.scope["scheme"] == scheme


@pytest.mark.parametrize("target", ["*", "ftp://h/", "http://", "http:///x", "x/y"])
def test_other_targets_are_malformed(target: str) -> None:
    with pytest.raises(heads.Malformed):
        read(head(f"GET {target} HTTP/1.1"), PLAIN)
