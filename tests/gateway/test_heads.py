import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.gateway import heads

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-_.!#$%&'*+^`|~", min_size=1)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))
ODDITIES = st.lists(
    st.sampled_from(
        [
            ("Transfer-Encoding", "identity"),
            ("Transfer-Encoding", "chunked"),
            ("transfer-encoding", "identity, chunked"),
            ("Content-Length", "7"),
            ("Expect", "100-continue"),
            ("Proxy-Connection", "Keep-Alive"),
            ("X-CMLE-Identity", '{"kind":"service"}'),
        ]
    )
)


def parse(*lines: str) -> heads.Head:
    return heads.parse("\r\n".join(lines).encode("latin-1"))


def test_tensorflows_post_has_a_length_of_zero() -> None:
    head = parse(
        "POST /upload HTTP/1.1", "Content-Length: 0", "Transfer-Encoding: identity", "Host: h"
    )

    assert head.length == 0
    assert head.headers == [(b"host", b"h"), (b"content-length", b"0")]


def test_tensorflows_put_is_chunked() -> None:
    head = parse(
        "PUT /x HTTP/1.1",
        "Transfer-Encoding: chunked",
        "Content-Length: 209715200",
        "Expect: 100-continue",
    )

    assert head.length is None
    assert head.expects_continue
    assert head.headers == [(b"transfer-encoding", b"chunked")]


def test_clients_cannot_bring_an_identity() -> None:
    head = parse("GET / HTTP/1.1", 'X-Cmle-Identity: {"kind":"service"}', "Host: h")

    assert head.headers == [(b"host", b"h")]


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close", False),
        ("1.1", "Connection: x, Close", False),
        ("1.0", "", False),
        ("1.0", "Connection: Keep-Alive", True),
        ("1.0", "Proxy-Connection: keep-alive", True),
    ],
)
def test_connections_are_kept_as_http_says(version: str, connection: str, kept: bool) -> None:  # noqa: FBT001
    lines = [f"GET / HTTP/{version}", *([connection] if connection else [])]

    assert parse(*lines).keep_alive is kept


@pytest.mark.parametrize(
    "lines",
    [
        ["GET /"],
        ["GET  / HTTP/1.1"],
        ["GET / HTTP/1.1", "no colon"],
        ["GET / HTTP/1.1", "space : x"],
        ["GET / HTTP/1.1", "a: b", " folded"],
        ["GET / HTTP/1.1", "a: \x00"],
        ["GET / HTTP/1.1", "a: b\nc: d"],
        ["PUT / HTTP/1.1", "Content-Length: +3"],
        ["PUT / HTTP/1.1", "Content-Length: 3", "Content-Length: 4"],
        ["PUT / HTTP/1.1", "Content-Length: 99999999999999999999"],
    ],
)
def test_malformed_heads_are_refused(lines: list[str]) -> None:
    with pytest.raises(heads.Malformed):
        parse(*lines)


def test_other_encodings_and_versions_have_their_status() -> None:
    with pytest.raises(heads.Malformed) as unknown:
        parse("PUT / HTTP/1.1", "Transfer-Encoding: gzip, chunked")
    with pytest.raises(heads.Malformed) as preface:
        parse("PRI * HTTP/2.0")

    assert (unknown.value.status, preface.value.status) == (501, 505)


def test_tensorflow_finds_its_session_in_the_answer() -> None:
    head = heads.answer(200, [(b"location", b"https://x"), (b"x-goog-hash", b"crc32c=AA")])

    assert head == (b"HTTP/1.1 200 OK\r\nLocation: https://x\r\nX-Goog-Hash: crc32c=AA\r\n\r\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Storage.GoogleAPIs.com.", ("storage.googleapis.com", 443)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:8080", ("::1", 8080)),
        ("[::1]", ("::1", 443)),
        ("::1", ("::1", 443)),
        ("host:", ("host:", 443)),
    ],
)
def test_authorities_are_taken_apart(text: str, expected: tuple[str, int]) -> None:
    assert heads.authority(text, 443) == expected


class Seen:
    """What llhttp makes of a head."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: heads.Headers = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


@given(fields=st.lists(st.tuples(TOKEN, VALUE)), oddities=ODDITIES)
def test_normalised_heads_are_read_alike_by_llhttp(
    fields: list[tuple[str, str]], oddities: list[tuple[str, str]]
) -> None:
    lines = [f"{name}: {value}" for name, value in [*fields, *oddities]]
    try:
        head = parse("PUT /a%20b?c=d HTTP/1.1", *lines)
    except heads.Malformed:
        return  # of the framing fields that hypothesis made up
    again = [b"%s: %s" % field for field in head.headers]
    seen = Seen()
    parser = httptools.HttpRequestParser(seen)
    parser.feed_data(b"\r\n".join([b"PUT /a%20b?c=d HTTP/1.1", *again, b"", b""]))

    assert seen.complete
    assert seen.url == head.target
    assert seen.headers == head.headers
    assert [name for name, _ in head.headers].count(b"content-length") <= 1


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        head = heads.parse(data)
    except heads.Malformed:
        return

    assert head.version in {"1.0", "1.1"}


def test_names_of_answers_begin_with_capitals() -> None:
    """TensorFlow looks for ``Location``, letter by letter."""
    head = heads.answer(200, [(b"location", b"https://x/"), (b"x-goog-generation", b"1")])

    assert b"\r\nLocation: https://x/\r\n" in head
    assert b"\r\nX-Goog-Generation: 1\r\n" in head
