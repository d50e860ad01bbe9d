"""TLS as a layer between bytes and bytes, with the certificates of the authority."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from emulator.gateway.authority import ADDRESSES, Authority

NAMES: Final = (
    "www.googleapis.com",
    "storage.googleapis.com",
    "*.googleapis.com",
    "*.storage.googleapis.com",
    "accounts.google.com",
    "metadata.google.internal",
    "metadata",
    "localhost",
)

# How clients say that they do not trust the authority: OpenSSL and GnuTLS, then Go, then Java.
_DISTRUST: Final = frozenset(
    {
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    }
)


class Failed(Exception):
    """The handshake or the connection cannot go on. ``asked_name`` is the host's in it."""

    def __init__(self, asked_name: str, reason: str) -> None:
        super().__init__(reason)
        self.asked_name = asked_name


class Untrusted(Failed):
    """The client refused the gateway's certificate."""


class Contexts:
    """Certificates for names and for addresses, each in a TLS context.

    They are two because old clients (TensorFlow 1.15) know no constraints on addresses and
    would refuse a certificate that has both. A client that names no host gets the addresses'.
    """

    def __init__(self, authority: Authority, now: datetime) -> None:
        self._names = _context(authority.issue(NAMES, (), now))
        self._addresses = _context(authority.issue(("localhost",), ADDRESSES, now))
        self._addresses.sslobject_class = _ServerSide
        self._addresses.sni_callback = self._choose

    def _choose(
        self, server_side: ssl.SSLObject, name: str | None, _: ssl.SSLContext
    ) -> int | None:
        if name is None or name in ADDRESSES:
            return None
        if isinstance(server_side, _ServerSide):
            server_side.asked_name = name
        if not covers(name):
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        server_side.context = self._names
        return None

    def layer(self) -> "Layer":
        return Layer(self._addresses)


class Layer:
    """The server's side of one TLS connection, without a socket."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.established = False
        self.ended = False  # the client said that nothing more comes

    @property
    def asked_name(self) -> str:
        """The host that the client named in its greeting."""
        return self._tls.asked_name if isinstance(self._tls, _ServerSide) else ""

    def receive(self, ciphertext: memoryview) -> None:
        """Take what came from below. The handshake goes on by itself; see ``read``.

        ``pending`` may have to be sent afterwards, even when this raises.
        """
        self._incoming.write(ciphertext)
        if self.established:
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise self._failure(error) from error
        self.established = True

    def read(self, buffer: memoryview) -> int:
        """Fill ``buffer`` with decrypted bytes as far as they go; 0 when there are none now."""
        filled = 0
        try:
            while filled < len(buffer):
                count = int(self._tls.read(len(buffer) - filled, buffer[filled:]))
                if not count:
                    self.ended = True
                    break
                filled += count
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            raise self._failure(error) from error
        return filled

    def _failure(self, error: ssl.SSLError) -> Failed:
        kind = Untrusted if error.reason in _DISTRUST else Failed
        return kind(self.asked_name, error.reason or str(error))

    def encrypt(self, *pieces: bytes | memoryview) -> bytes:
        for piece in pieces:
            if piece:
                self._tls.write(piece)
        return self._outgoing.read()

    def pending(self) -> bytes:
        """What has to be sent for the handshake's sake."""
        return self._outgoing.read()

    def close(self) -> bytes:
        """Say that nothing more comes: the last bytes to send."""
        if self.established:
            with contextlib.suppress(ssl.SSLError):  # it waits for the client's own farewell
                self._tls.unwrap()
        return self._outgoing.read()


def covers(name: str) -> bool:
    """Whether the certificate for names is good for this one."""
    name = name.lower()
    return name in NAMES or f"*.{name.partition('.')[2]}" in NAMES


class _ServerSide(ssl.SSLObject):
    asked_name = ""


def _context(certificate: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # clients that open a connection for each request never resume one
    with _unwritten(certificate) as path:
        context.load_cert_chain(path)
    return context


@contextlib.contextmanager
def _unwritten(content: bytes) -> Iterator[Path]:
    """A path under which OpenSSL reads ``content``; on Linux it never touches a disk."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("certificate", os.MFD_CLOEXEC)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            yield Path(f"/proc/self/fd/{handle}")
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield Path(file.name)
