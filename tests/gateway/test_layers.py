import ssl
from datetime import UTC, datetime

import pytest

from emulator.gateway.authority import Authority
from emulator.gateway.layers import Layers
from emulator.gateway.tls import Contexts, Untrusted


class Ends:
    """Layers, and a client that speaks TLS inside TLS to them, in memory."""

    def __init__(self, authority: Authority) -> None:
        self.contexts = Contexts(authority, datetime.now(UTC))
        self.trusting = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
        self.to_client = b""
        self.taken: list[bytes] = []
        self.greeted = 0
        self.layers = Layers(bytearray(1000), send=self._send, take=self._take, greeted=self._greet)
        self._bios: list[tuple[ssl.MemoryBIO, ssl.MemoryBIO]] = []
        self._clients: list[ssl.SSLObject] = []

    def _send(self, data: bytes) -> None:
        self.to_client += data

    def _take(self, buffer: bytearray, count: int) -> None:
        self.taken.append(bytes(buffer[:count]))

    def _greet(self) -> None:
        self.greeted += 1

    def open(self, context: ssl.SSLContext) -> None:
        """Add a layer at both ends."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._bios.append((incoming, outgoing))
        self._clients.append(context.wrap_bio(incoming, outgoing, server_hostname="localhost"))
        first = True
        while True:
            try:
                self._clients[-1].do_handshake()
            except ssl.SSLWantReadError:
                data = outgoing.read()
                if first:
                    self.layers.push(self.contexts.layer(), memoryview(data))
                else:
                    self._pass(data, len(self._clients) - 1)
                first = False
                self._fetch()
            else:
                self._pass(outgoing.read(), len(self._clients) - 1)
                return

    def write(self, data: bytes) -> bool:
        self._clients[-1].write(data)
        return self._pass(self._bios[-1][1].read(), len(self._clients) - 1)

    def flush(self) -> None:
        """Pass on what the client still wants to say."""
        self._pass(self._bios[-1][1].read(), len(self._clients) - 1)

    def read(self) -> bytes:
        self._fetch()
        return self._clients[-1].read(100_000)

    def _pass(self, data: bytes, level: int) -> bool:
        for client, (_, outgoing) in zip(
            reversed(self._clients[:level]), reversed(self._bios[:level]), strict=True
        ):
            client.write(data)
            data = outgoing.read()
        return self.layers.receive(memoryview(data))

    def _fetch(self) -> None:
        data, self.to_client = self.to_client, b""
        for client, (incoming, _) in zip(self._clients[:-1], self._bios[:-1], strict=True):
            incoming.write(data)
            data = client.read(100_000)
        self._bios[-1][0].write(data)


@pytest.fixture
def ends(authority: Authority) -> Ends:
    return Ends(authority)


def test_one_layer_passes_more_than_its_buffer(ends: Ends) -> None:
    ends.open(ends.trusting)
    ended = ends.write(b"x" * 5000)
    ends.layers.write(b"answer")

    assert not ended
    assert b"".join(ends.taken) == b"x" * 5000
    assert ends.read() == b"answer"
    assert (ends.greeted, ends.layers.established, ends.layers.asked_name) == (1, True, "localhost")


def test_a_layer_in_a_layer(ends: Ends) -> None:
    ends.open(ends.trusting)
    ends.open(ends.trusting)
    ends.write(b"y" * 3000)
    ends.layers.write(b"answer")

    assert len(ends.layers) == 2
    assert ends.greeted == 2
    assert b"".join(ends.taken) == b"y" * 3000
    assert ends.read() == b"answer"


def test_a_failed_layer_is_taken_off(ends: Ends) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        ends.open(ssl.create_default_context())
    with pytest.raises(Untrusted):
        ends.flush()

    assert len(ends.layers) == 0


def test_a_stopped_connection_is_not_read(ends: Ends) -> None:
    ends.open(ends.trusting)
    ends.layers.stop()
    ends.write(b"late")

    assert ends.taken == []
