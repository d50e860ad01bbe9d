"""The peer of our gateway: a proxy that ends TLS in front of fake-gcs-server and does no more.

Run as ``python -m benchmarks.peer_proxy --backend HOST:PORT --folder DIR``; it writes its
authority to ``DIR/ca.pem`` and then prints its port. It normalises the head of a
connection's first request, as fake-gcs-server needs it, and pumps bytes from there on:
TensorFlow sends one request a connection.
"""

import argparse
import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS: Final = ("*.googleapis.com", "googleapis.com", "metadata.google.internal", "localhost")
BUFFER: Final = 1 << 20
HEAD_END: Final = b"\r\n\r\n"


class Pump(asyncio.Protocol):
    """One side of a pair: what it reads, the other writes, and no faster than that."""

    transport: asyncio.Transport | None = None
    other: "Pump | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(BUFFER)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        self.transport = None
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Client(Pump):
    """The client's side: holds bytes back until the head is whole and the backend there."""

    def __init__(self, backend: tuple[str, int]) -> None:
        self._backend = backend
        self._held = bytearray()
        self._connecting: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._held += data
        if self._connecting is None and HEAD_END in self._held:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, backend = await loop.create_connection(Pump, *self._backend)
        if self.transport is None:  # the client has left meanwhile
            if backend.transport is not None:
                backend.transport.close()
            return
        head, _, rest = bytes(self._held).partition(HEAD_END)
        head, expects = normalised(head)
        if expects:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        backend.other, self.other = self, backend
        super().data_received(head + HEAD_END + rest)


class Door(asyncio.Protocol):
    """A new connection: CONNECT, then TLS, then a ``Client``."""

    def __init__(self, backend: tuple[str, int], context: ssl.SSLContext) -> None:
        self._backend = backend
        self._context = context
        self._head = bytearray()
        self._transport: asyncio.BaseTransport | None = None
        self._upgrade: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        if HEAD_END in self._head:
            assert isinstance(self._transport, asyncio.Transport)
            if not self._head.startswith(b"CONNECT "):
                self._transport.close()
                return
            self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._upgrade = asyncio.get_running_loop().create_task(self._secure(self._transport))

    async def _secure(self, transport: asyncio.Transport) -> None:
        client = Client(self._backend)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # a client that does not trust us, or left
            secure = await loop.start_tls(transport, client, self._context, server_side=True)
            if secure is not None:
                client.connection_made(secure)


def normalised(head: bytes) -> tuple[bytes, bool]:
    """The head as a strict server takes it, and whether the client waits for a 100."""
    request, *lines = head.split(b"\r\n")
    headers = [(name.lower(), line) for line in lines for name in [line.partition(b":")[0]]]
    chunked = any(n == b"transfer-encoding" and b"chunked" in line.lower() for n, line in headers)
    dropped = {b"expect", b"proxy-connection", b"x-forwarded-proto"}
    if chunked:
        dropped.add(b"content-length")
    else:
        dropped.add(b"transfer-encoding")  # "identity", which net/http answers with 501
    kept = [line for name, line in headers if name not in dropped]
    expects = any(name == b"expect" for name, _ in headers)
    return b"\r\n".join([request, *kept, b"X-Forwarded-Proto: https"]), expects


def authority(folder: Path) -> ssl.SSLContext:
    """A new authority in ``folder``, and TLS under it for Google's hosts."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark peer")])
    draft = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=7))
    )
    root = (
        draft.subject_name(name)
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    own = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        draft.subject_name(x509.Name([]))
        .serial_number(x509.random_serial_number())
        .public_key(own.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    private = own.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / "server.pem"
    chain.write_bytes(private + leaf.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def serve(backend: tuple[str, int], folder: Path) -> None:
    context = authority(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Door(backend, context), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", required=True, metavar="HOST:PORT")
    parser.add_argument("--folder", required=True, type=Path)
    arguments = parser.parse_args()
    host, _, port = arguments.backend.rpartition(":")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve((host, int(port)), arguments.folder))


if __name__ == "__main__":
    main()
