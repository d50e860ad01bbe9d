"""A client that uploads as TensorFlow does, and that can be made to fail where one likes."""

import contextlib
import json
import os
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import pytest

from emulator import Emulator

DEADLINE_S = 60.0
TRIES = 11
CHUNK = 16 * 1024  # as libcurl cuts
PART = 8 << 20  # bytes that the storage keeps together: a place where things may go wrong
API = "www.googleapis.com"
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends a reset
T = TypeVar("T")


class Broken(OSError):
    """The connection ended before the answer was complete."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def received(self) -> int:
        """How many bytes an unfinished upload has, by its Range."""
        start, _, last = self.headers.get("range", "bytes=0--1").partition("-")
        assert start == "bytes=0"
        return int(last) + 1


class Fault(NamedTuple):
    """What happens once so many bytes of a PUT's body are sent."""

    after: int
    act: Callable[[ssl.SSLSocket], None]


def close(sock: ssl.SSLSocket) -> None:
    """The client's program ends; all that it sent arrives."""
    sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError):
        while sock.recv(CHUNK):
            pass
    sock.close()
    raise Broken("closed in the middle")


def reset(sock: ssl.SSLSocket) -> None:
    """The client's machine ends; what is on its way is lost."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    sock.close()
    raise Broken("reset in the middle")


class TensorFlow:
    """CONNECT, TLS, one request a connection; the whole file in one PUT, chunked."""

    def __init__(self, port: int, ca_path: str) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=ca_path)
        self._hanging: list[int] = []

    def close(self) -> None:
        for handle in self._hanging:
            os.close(handle)

    def hang(self, sock: ssl.SSLSocket) -> None:
        """The client's network ends: nothing more comes, and the connection stays."""
        self._hanging.append(sock.detach())
        raise Broken("stuck in the middle")

    def start(self, uri: str, length: int) -> str:
        """Begin an upload; answers where its content is to go."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        target = f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={quote(name, safe='')}"
        headers = {
            "X-Upload-Content-Length": f"{length}",
            "Content-Length": "0",
            "Transfer-Encoding": "identity",
        }
        answer = self.ask("POST", f"https://{API}{target}", headers)
        assert answer.status == 200, answer
        assert answer.headers["location"].startswith(f"https://{API}/")
        return answer.headers["location"]

    def status(self, location: str, total: int) -> Answer:
        """Ask how far an upload has come."""
        headers = {
            "Content-Range": f"bytes */{total}",
            "Content-Length": "0",
            "Transfer-Encoding": "identity",
        }
        return self.ask("PUT", location, headers)

    def put(
        self, location: str, content: bytes, start: int = 0, fault: Fault | None = None
    ) -> Answer:
        """Send the content from ``start`` on; OSError where the connection breaks."""
        headers = {
            "Transfer-Encoding": "chunked",
            "Content-Length": f"{len(content) - start}",
        }
        if content:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.ask("PUT", location, headers, _chunks(content[start:], fault))

    def upload(self, uri: str, content: bytes, faults: Sequence[Fault] = ()) -> list[str]:
        """Upload by TensorFlow's rule for retries; answers what came of each try.

        Each fault befalls one PUT. A status that is no 308, 200, 404 or 410 is an AssertionError.
        """
        story: list[str] = []
        waiting = list(faults)
        location, start = self._patiently(partial(self.start, uri, len(content))), 0
        while len(story) < TRIES + len(faults):
            fault = waiting.pop(0) if waiting else None
            try:
                answer = self.put(location, content, start, fault)
                story.append(f"{answer.status}")
            except OSError:
                answer = self._patiently(partial(self.status, location, len(content)))
                story.append(f"broken {answer.status}")
            if answer.status == 200:
                return story
            if answer.status in {404, 410}:
                location, start = self._patiently(partial(self.start, uri, len(content))), 0
            elif answer.status != 503:
                assert answer.status == 308, answer
                start = answer.received
        raise AssertionError(f"not uploaded: {story}")

    def ask(
        self, method: str, url: str, headers: dict[str, str], body: Iterable[bytes | Fault] = ()
    ) -> Answer:
        """One request; ``body`` is bytes to send and faults to commit in between."""
        parts = urlsplit(url)
        lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += ["User-Agent: TensorFlow/2.11.0", "Accept: */*", "Expect: 100-continue"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with contextlib.closing(self._connect(parts.netloc)) as sock:
            sock.sendall("\r\n".join([*lines, "", ""]).encode())
            first = _read_head(sock)
            if not first[0].startswith("HTTP/1.1 100"):
                return _read_answer(sock, first)
            for piece in body:
                if isinstance(piece, Fault):
                    piece.act(sock)
                else:
                    sock.sendall(piece)
            return _read_answer(sock, _read_head(sock))

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Repeat a request while nobody answers it."""
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                return ask()
            except OSError:
                assert time.monotonic() < end, "nobody answers"
                time.sleep(0.05)

    def _connect(self, host: str) -> ssl.SSLSocket:
        sock = socket.create_connection(("127.0.0.1", self._port), DEADLINE_S)
        try:
            sock.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
            head = _read_head(sock)
            assert head[0].startswith("HTTP/1.1 200"), head
            return self._context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise


def _chunks(content: bytes, fault: Fault | None) -> Iterator[bytes | Fault]:
    """A chunked body, and the fault in its place: in the middle of a chunk, as a rule."""
    place = fault.after if fault else -1
    for offset in range(0, len(content), CHUNK):
        piece = content[offset : offset + CHUNK]
        yield b"%x\r\n" % len(piece)
        if fault and offset <= place < offset + len(piece):
            yield piece[: place - offset]
            yield fault
            yield piece[place - offset :]
        else:
            yield piece
        yield b"\r\n"
    if fault and place == len(content):
        yield fault  # all of it is there but for the word that this was all
    yield b"0\r\n\r\n"
    if fault and place > len(content):
        yield fault  # only the answer is missing


def _read_head(sock: socket.socket) -> list[str]:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise Broken("no answer")
        head += byte
    return head.decode("latin-1").split("\r\n")[:-2]


def _read_answer(sock: socket.socket, head: list[str]) -> Answer:
    fields = [line.partition(":") for line in head[1:]]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    body = b""
    while len(body) < int(headers.get("content-length", 0)):
        piece = sock.recv(65536)
        if not piece:
            raise Broken("an answer without its end")
        body += piece
    return Answer(int(head[0].split()[1]), headers, body)


def gateway(emulator: Emulator) -> dict[str, Any]:
    """What the gateway that runs now says of itself: ``pid``, ``fake_gcs_pid`` and more."""
    instance = (emulator.data_dir / "instance").read_text()
    end = time.monotonic() + DEADLINE_S
    while True:
        with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect(f"\0cmle-gateway-{instance}")
            sock.sendall(b'{"status": true}\n')
            state: dict[str, Any] = json.loads(sock.makefile().readline())
            return state
        assert time.monotonic() < end, "the gateway is not there"
        time.sleep(0.05)


def on_disk(data_dir: Path) -> int:
    """How many bytes fake-gcs-server keeps: of objects, of unfinished uploads, of orphans."""
    blobs = data_dir / "storage" / "blobs" / "blobs"
    total = 0
    for path in blobs.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        with emulator.client() as client:
            client.storage.create("faults")
        yield emulator


@pytest.fixture(scope="module")
def tensorflow(emulator: Emulator) -> Iterator[TensorFlow]:
    endpoint = emulator.endpoint
    with contextlib.closing(TensorFlow(endpoint.port, endpoint.ca_path)) as client:
        yield client
