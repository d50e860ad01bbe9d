"""TLS inside TLS: the layers between a transport and the reader of plain bytes."""

from collections.abc import Callable
from typing import Final

from emulator.gateway.tls import Failed, Layer

LIMIT: Final = 2  # TLS to the proxy, and TLS through it


class Layers:
    """The TLS layers of a connection, outermost first.

    ``send`` takes what goes to the transport, ``take`` what was decrypted: a shared buffer and
    how much of it. ``greeted`` is called when a handshake is over.
    """

    def __init__(
        self,
        plain: bytearray,
        *,
        send: Callable[[bytes], None],
        take: Callable[[bytearray, int], None],
        greeted: Callable[[], None],
    ) -> None:
        self._plain = plain
        self._view = memoryview(plain)
        self._send = send
        self._take = take
        self._greeted = greeted
        self._layers: list[Layer] = []
        self._stopped = False

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def established(self) -> bool:
        """Whether no handshake is under way."""
        return all(layer.established for layer in self._layers)

    @property
    def asked_name(self) -> str:
        """The host that the innermost greeting named."""
        return self._layers[-1].asked_name if self._layers else ""

    def push(self, layer: Layer, data: memoryview) -> bool:
        """Add a layer inside the others, with the first bytes for it; see ``receive``."""
        self._layers.append(layer)
        return self.receive(data, len(self._layers) - 1)

    def receive(self, data: memoryview, level: int = 0) -> bool:
        """Decrypt what came from below; answer whether the client has ended a layer.

        Raises Failed, after the client has been told, and without the layer that failed.
        """
        layer = self._layers[level]
        greeting = not layer.established
        try:
            layer.receive(data)
            self._send_below(level, layer.pending())
            if greeting and layer.established:
                self._greeted()
            return self._read(level, layer)
        except Failed:
            if level < len(self._layers):  # an inner one has not failed before
                self._send_below(level, layer.pending())
                del self._layers[level:]
            raise

    def write(self, *pieces: bytes | memoryview) -> None:
        self._send_below(len(self._layers) - 1, self._layers[-1].encrypt(*pieces))

    def close(self) -> None:
        """Say farewell in every layer."""
        for level in reversed(range(len(self._layers))):
            self._send_below(level, self._layers[level].close())

    def stop(self) -> None:
        """Decrypt no more: the connection is gone."""
        self._stopped = True

    def _read(self, level: int, layer: Layer) -> bool:
        ended = False
        while layer.established and not self._stopped and not ended:
            count = layer.read(self._view)
            if not count:
                break
            if level + 1 < len(self._layers):  # which read into the same buffer
                ended = self.receive(memoryview(bytes(self._view[:count])), level + 1)
            else:
                self._take(self._plain, count)
        return ended or layer.ended

    def _send_below(self, level: int, data: bytes) -> None:
        for layer in reversed(self._layers[:level]):
            data = layer.encrypt(data)
        if data:
            self._send(data)
