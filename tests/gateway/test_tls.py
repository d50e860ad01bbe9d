import ssl
from datetime import UTC, datetime

import pytest

from emulator.gateway.authority import Authority
from emulator.gateway.tls import Contexts, Failed, Layer, Untrusted, covers


class Client:
    """The other side of a layer, in memory."""

    def __init__(self, layer: Layer, context: ssl.SSLContext, host: str) -> None:
        self.layer = layer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def shake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
            else:
                self.flush()
                return

    def flush(self) -> None:
        """Pass on what waits in both directions."""
        try:
            if data := self._outgoing.read():
                self.layer.receive(memoryview(data))
        finally:
            self._incoming.write(self.layer.pending())

    def receive(self, data: bytes) -> None:
        self._incoming.write(data)


@pytest.fixture
def contexts(authority: Authority) -> Contexts:
    return Contexts(authority, datetime.now(UTC))


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bytes_pass_both_ways(
    contexts: Contexts, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.minimum_version = trusting.maximum_version = version
    client = Client(contexts.layer(), trusting, "b.storage.googleapis.com")
    client.shake()
    client.tls.write(b"question" * 10_000)
    client.flush()
    buffer = bytearray(100_000)
    count = client.layer.read(memoryview(buffer))
    client.receive(client.layer.encrypt(b"an", b"", memoryview(b"swer")))

    assert client.layer.asked_name == "b.storage.googleapis.com"
    assert buffer[:count] == b"question" * 10_000
    assert client.tls.read(100) + client.tls.read(100) == b"answer"


def test_an_end_is_seen_and_said(contexts: Contexts, trusting: ssl.SSLContext) -> None:
    client = Client(contexts.layer(), trusting, "localhost")
    client.shake()
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.flush()
    count = client.layer.read(memoryview(bytearray(10)))
    client.receive(client.layer.close())

    assert count == 0
    assert client.layer.ended
    with pytest.raises(ssl.SSLZeroReturnError):
        client.tls.read(10)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254"])
def test_addresses_have_a_certificate_too(
    contexts: Contexts, trusting: ssl.SSLContext, address: str
) -> None:
    client = Client(contexts.layer(), trusting, address)
    client.shake()

    assert client.layer.established
    assert client.layer.asked_name == ""


def test_distrust_is_told_from_other_failures(contexts: Contexts, trusting: ssl.SSLContext) -> None:
    distrusting = Client(contexts.layer(), ssl.create_default_context(), "metadata")
    with pytest.raises(ssl.SSLCertVerificationError):
        distrusting.shake()
    with pytest.raises(Untrusted) as untrusted:
        distrusting.flush()
    unknown = Client(contexts.layer(), trusting, "pypi.example")
    with pytest.raises(Failed) as failed:
        unknown.shake()
    with pytest.raises(Failed) as rubbish:
        contexts.layer().receive(memoryview(b"\x16GET / HTTP/1.1\r\n\r\n"))

    assert untrusted.value.asked_name == "metadata"
    assert not isinstance(failed.value, Untrusted)
    assert failed.value.asked_name == "pypi.example"
    assert not isinstance(rubbish.value, Untrusted)


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("ML.googleapis.com", True),
        ("bucket.storage.googleapis.com", True),
        ("two.labels.storage.googleapis.com", False),
        ("googleapis.com", False),
        ("www.google.com", False),
    ],
)
def test_names_are_covered_as_clients_see_it(name: str, covered: bool) -> None:  # noqa: FBT001
    assert covers(name) is covered
