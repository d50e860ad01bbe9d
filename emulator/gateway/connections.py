"""One client's connection: TLS or not, CONNECT or not, and then requests one after another."""

import asyncio
import contextlib
import logging
import math
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final

from emulator.cluster import Network
from emulator.errors import InvalidArgument
from emulator.gateway import heads, layers, routes, scopes
from emulator.gateway.bodies import Body, Chunked, Sized
from emulator.gateway.exchanges import Exchange
from emulator.gateway.switchboard import Switchboard
from emulator.gateway.tls import Failed, Untrusted, covers
from emulator.gateway.tunnels import NoTunnel, Tunnel, open_tunnel

log = logging.getLogger(__name__)

HEAD_DEADLINE_S: Final = 30.0  # to a whole TLS handshake, and to a whole head
BODY_DEADLINE_S: Final = 300.0  # to the next bytes of a body
IDLE_DEADLINE_S: Final = 120.0  # to the next request
LINGER_S: Final = 5.0  # to the client's own end after ours
SURPLUS_LIMIT: Final = 64 * 1024  # bytes of later requests that wait for an answer
_WRITE_LIMIT: Final = 1024 * 1024
_TLS_HANDSHAKE: Final = 0x16
_QUICK_ACK: Final = getattr(socket, "TCP_QUICKACK", None)  # Linux
_RESET: Final = struct.pack("ii", 1, 0)  # struct linger
_CONNECTED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"

_State = Callable[[bytearray, int, int], int]


class Connection(asyncio.BufferedProtocol):
    """A protocol for every listener: the first byte tells TLS from HTTP, also inside CONNECT.

    ``_state`` consumes bytes: it is called with a buffer and answers where it stopped.
    """

    def __init__(
        self, switchboard: Switchboard, network: Network, siblings: set["Connection"]
    ) -> None:
        self._board = switchboard
        self._network = network
        self._siblings = siblings  # of the same listener
        self._transport: asyncio.Transport
        self._layers = layers.Layers(
            switchboard.plain, send=self._send, take=self._take, greeted=self._acknowledge
        )
        self._state: _State = self._sniff
        self._partial = bytearray()  # of a head
        self._surplus = bytearray()  # what came after the present request
        self._body: Body = Sized(0)
        self._exchange: Exchange | None = None
        self._tunnel: Tunnel | None = None
        self._through: tuple[str, int] | None = None  # what CONNECT asked for
        self._outer_layers = 0  # of TLS to the proxy itself
        self._writable = asyncio.Event()
        self._writable.set()
        self._held = False
        self._closed = False
        self._peer: tuple[str, int] | None = None
        self._own_ports = frozenset({switchboard.port})
        self.deadline = math.inf

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 the loop's promise
        self._transport = transport
        transport.set_write_buffer_limits(_WRITE_LIMIT)
        peer, own = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        if isinstance(peer, tuple):
            self._peer = peer[:2]
        if isinstance(own, tuple):
            self._own_ports |= {own[1]}
        self._board.connections.add(self)
        if self._board.closing:
            self.abort()
        self._expect_within(HEAD_DEADLINE_S)

    def connection_lost(self, _error: Exception | None) -> None:
        self._closed = True
        self._layers.stop()
        self._board.connections.discard(self)
        self._siblings.discard(self)
        if self._exchange is not None:
            self._exchange.disconnect()
        if self._tunnel is not None:
            self._tunnel.close()
        self.resume_writing()

    def get_buffer(self, _size: int) -> bytearray:
        return self._board.inbox

    def buffer_updated(self, count: int) -> None:
        if self._layers:
            self._decrypt(self._board.inbox_view[:count])
        else:
            self._take(self._board.inbox, count)

    def eof_received(self) -> bool:
        """A client's half-close ends everything but a tunnel."""
        if self._tunnel is None or self._layers:
            return False
        self._tunnel.end()
        return True

    def pause_writing(self) -> None:
        self._writable.clear()
        if self._tunnel is not None:
            self._tunnel.hold()

    def resume_writing(self) -> None:
        self._writable.set()
        if self._tunnel is not None:
            self._tunnel.release()

    # The exchange's and the tunnel's side.

    def write(self, *pieces: bytes | memoryview) -> None:
        if self._closed:
            return
        if self._layers:
            self._layers.write(*pieces)
        elif data := pieces[0] if len(pieces) == 1 else b"".join(pieces):
            self._transport.write(data)

    async def drain(self) -> None:
        if self._transport.is_closing():
            await asyncio.sleep(0)  # the loop tells that the client is gone in its next turn
        elif not self._writable.is_set():
            await self._writable.wait()

    def hold(self) -> None:
        if not self._held and not self._closed:
            self._held = True
            self._transport.pause_reading()
            self.deadline = math.inf

    def release(self) -> None:
        if self._held and not self._closed:
            self._held = False
            self._transport.resume_reading()
            if self._exchange is not None and not self._body.done:
                self._expect_within(BODY_DEADLINE_S)

    def finished(self, exchange: Exchange) -> None:
        """Turn to the next request when this one's body has come, or end the connection."""
        if self._closed or exchange is not self._exchange:
            return
        if exchange.broken:
            self._reset()
            return
        self.release()
        if not self._body.done:
            self._expect_within(BODY_DEADLINE_S)
            return  # the client reads the answer only when it has sent everything
        self._exchange = None
        if not exchange.keep_alive:
            self._end()
            return
        self._state = self._head
        self._expect_within(IDLE_DEADLINE_S)
        if self._surplus:
            surplus, self._surplus = self._surplus, bytearray()
            self._take(surplus, len(surplus))

    def expire(self) -> None:
        """Something that was due has not come."""
        idle = self._state == self._head and not self._partial
        if idle and self._layers.established:
            self._end()
        else:
            self.abort()

    def abort(self) -> None:
        self._closed = True
        self._layers.stop()
        self._transport.abort()

    def end_writing(self) -> None:
        """The tunnel's other side has ended."""
        if self._layers:
            self._end()
        elif not self._closed:
            self._transport.write_eof()

    def close(self) -> None:
        """The tunnel's other side is gone."""
        self._end()

    # Bytes, from the outermost layer inwards.

    def _decrypt(self, data: memoryview, *, first: bool = False) -> None:
        """Take ciphertext; the ``first`` of a client opens a layer inside those that are there."""
        try:
            if first:
                ended = self._layers.push(self._board.contexts.layer(), data)
            else:
                ended = self._layers.receive(data)
        except Failed as failure:
            self._tell(failure)
            ended = True
        if ended:
            self._end()

    def _tell(self, failure: Failed) -> None:
        if isinstance(failure, Untrusted):
            peer = self._peer[0] if self._peer else ""
            self._board.report_distrust(self._network.identity, peer, failure.asked_name)
        elif failure.asked_name and not covers(failure.asked_name):
            reason = "The emulator serves no such host, and nothing leaves this machine."
            self._board.report_refusal(self._network, failure.asked_name, reason)
        else:
            log.debug("TLS of %s ended: %s", self._peer, failure)

    def _send(self, data: bytes) -> None:
        if not self._closed:
            self._transport.write(data)

    def _acknowledge(self) -> None:
        """Confirm the end of a handshake at once: until then some clients hold their request."""
        sock = self._transport.get_extra_info("socket")
        if _QUICK_ACK is not None and sock.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _take(self, buffer: bytearray, count: int) -> None:
        start = 0
        try:
            while start < count and not self._closed:
                start = self._state(buffer, start, count)
        except heads.Malformed as error:
            self._reject(error)

    # States.

    def _sniff(self, buffer: bytearray, start: int, end: int) -> int:
        self._state = self._head
        if buffer[start] != _TLS_HANDSHAKE or len(self._layers) == layers.LIMIT:
            return start
        self._decrypt(memoryview(buffer[start:end]), first=True)
        return end

    def _head(self, buffer: bytearray, start: int, end: int) -> int:
        if not self._partial:
            while start < end and buffer[start] in b"\r\n":
                start += 1  # the empty lines that some clients send after a body
            self._expect_within(HEAD_DEADLINE_S)
        known = len(self._partial)
        self._partial += buffer[start:end]
        stop = self._partial.find(heads.END, max(0, known - 3))
        if max(stop, 0) > heads.LIMIT or (stop < 0 and len(self._partial) > heads.LIMIT):
            raise heads.Malformed("The head of the request is longer than 64 KiB.", 431)
        if stop < 0:
            return end
        head = heads.parse(bytes(self._partial[:stop]))
        self._partial.clear()
        if head.method == "CONNECT":
            self._connect(head)
        else:
            self._request(head)
        return start + stop + len(heads.END) - known

    def _receive_body(self, buffer: bytearray, start: int, end: int) -> int:
        exchange = self._exchange
        assert exchange is not None  # noqa: S101 the state says so
        pieces: list[bytes] = []
        try:
            start = self._body.feed(buffer, start, end, pieces)
        except heads.Malformed:
            self._reset()
            return end
        self._expect_within(math.inf if self._body.done else BODY_DEADLINE_S)
        exchange.feed(pieces, complete=self._body.done)
        if self._body.done:
            self._state = self._keep
            if exchange.done:
                self.finished(exchange)
        return start

    def _keep(self, buffer: bytearray, start: int, end: int) -> int:
        """Bytes of later requests wait until the present one is answered."""
        self._surplus += buffer[start:end]
        if len(self._surplus) > SURPLUS_LIMIT:
            self.hold()
        return end

    def _tunnelled(self, buffer: bytearray, start: int, end: int) -> int:
        if self._tunnel is not None:
            self._tunnel.write(bytes(buffer[start:end]))
        return end

    def _ignore(self, _buffer: bytearray, _start: int, end: int) -> int:
        return end

    # Requests.

    def _connect(self, head: heads.Head) -> None:
        host, port = heads.authority(head.target.decode("latin-1"), 443)
        outside = routes.connect(host, port, self._own_ports, self._network)
        if outside is None:
            self._through = (host, port)
            self._outer_layers = len(self._layers)
            self._state = self._sniff
            self._expect_within(HEAD_DEADLINE_S)
            self.write(_CONNECTED)
        elif isinstance(outside, routes.Refusal):
            self._board.report_refusal(self._network, host, outside.message)
            self._refuse(outside)
        else:
            self._state = self._keep
            self.deadline = math.inf
            self._spawn(self._open_tunnel(outside))

    async def _open_tunnel(self, outside: routes.Outside) -> None:
        try:
            tunnel = await open_tunnel(outside, self, self._board.ways_out)
        except NoTunnel as error:
            self._refuse(error.refusal)
            return
        if self._closed:
            tunnel.close()
            return
        self._tunnel = tunnel
        self._state = self._tunnelled
        self.write(_CONNECTED)
        tunnel.begin()
        tunnel.write(bytes(self._surplus))
        self._surplus.clear()
        self.release()

    def _request(self, head: heads.Head) -> None:
        request = scopes.read(head, self._surroundings())
        answer = routes.request(request.asked, self._own_ports, self._network)
        if isinstance(answer, routes.Refusal):
            self._board.report_refusal(self._network, request.asked.host, answer.message)
        self._body = Chunked() if head.length is None else Sized(head.length)
        if head.expects_continue and not self._body.done:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange = self._exchange = Exchange(self, head)
        if self._body.done:
            self._state = self._keep
            self.deadline = math.inf
            exchange.feed([], complete=True)
        else:
            self._state = self._receive_body
            self._expect_within(BODY_DEADLINE_S)
        self._spawn(exchange.run(self._board.app(answer, request), request.scope))

    def _surroundings(self) -> scopes.Surroundings:
        host, port = self._through or (self._layers.asked_name or "localhost", 0)
        return scopes.Surroundings(
            network=self._network,
            secure=len(self._layers) > self._outer_layers,
            host=host,
            port=port,
            peer=self._peer,
        )

    # Ends.

    def _reject(self, error: heads.Malformed) -> None:
        self._refuse(routes.Refusal.of(InvalidArgument(str(error)), error.status))

    def _refuse(self, refusal: routes.Refusal) -> None:
        headers = [*refusal.headers, (b"connection", b"close")]
        self.write(heads.answer(refusal.status, headers), refusal.body)
        self._end()

    def _end(self) -> None:
        """End our side, and wait a moment for the client's: its last bytes must not reset ours."""
        if self._closed or self._state == self._ignore:
            return
        if self._exchange is not None:
            self._exchange.disconnect()
        self._layers.close()
        self._state = self._ignore
        self._expect_within(LINGER_S)
        self.release()
        self._transport.write_eof()

    def _reset(self) -> None:
        """End the connection so that the client cannot take what it has for all there is."""
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort()

    def _expect_within(self, seconds: float) -> None:
        self.deadline = asyncio.get_running_loop().time() + seconds

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._board.tasks.add(task)
        task.add_done_callback(self._board.tasks.discard)
