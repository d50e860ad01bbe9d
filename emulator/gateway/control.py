"""The gateway's control socket: listeners are handed over here, and its state is asked."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec

from emulator.cluster import Network
from emulator.errors import OperatorError
from emulator.faults import Placed
from emulator.gateway.listeners import Listener
from emulator.gateway.relayed import Entrance, Passes
from emulator.gateway.switchboard import Switchboard

log = logging.getLogger(__name__)

LINE_LIMIT: Final = 64 * 1024
_SOCKETS_LIMIT: Final = 64  # of one request
_CREDENTIALS: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid


class Pass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes by a relay that knows ``secret``, at its own ``address``; no network: nobody."""

    secret: str
    address: str
    network: Network | None = None


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the protocol; exactly one of its fields is given."""

    listen: Network | None = None
    relay: bool = False
    admit: Pass | None = None
    faults: tuple[Placed, ...] | None = None
    status: bool = False
    shutdown: bool = False


class Governor(msgspec.Struct, frozen=True):
    """What the control socket may do with the gateway. ``allow_hosts`` are the emulator's own."""

    status: Callable[[], dict[str, Any]]
    shutdown: Callable[[], None]
    allow_hosts: tuple[str, ...] = ()


class Control:
    """Answers on ``\\0cmle-gateway-<instance>``, one JSON line a request.

    ``{"listen": {identity, allow_hosts, scope}}`` comes with listening sockets (SCM_RIGHTS); they
    are served until the connection that brought them ends. So does ``{"relay": true}``: whoever
    comes through those says who it is, by a pass of ``{"admit": …}`` on the same connection.
    ``{"faults": […]}`` are those that requests meet from now on, in place of the ones before.
    Only this process's own user may speak.
    """

    def __init__(self, instance: str) -> None:
        self._socket = _listening(f"\0cmle-gateway-{instance}", instance)
        self.visits: set[asyncio.Task[None]] = set()

    async def serve(self, board: Switchboard, governor: Governor) -> None:
        """Take visitors, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            visitor, _ = await loop.sock_accept(self._socket)
            if (uid := _uid(visitor)) != os.geteuid():
                log.warning("Refused the control socket to user %s", uid)
                visitor.close()
                continue
            visit = loop.create_task(self._receive(visitor, board, governor))
            self.visits.add(visit)
            visit.add_done_callback(self.visits.discard)

    async def close(self) -> None:
        """End the visits, and the listeners that they brought."""
        self._socket.close()
        visits = list(self.visits)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    async def _receive(
        self, visitor: socket.socket, board: Switchboard, governor: Governor
    ) -> None:
        held = _Held(board)
        with visitor:
            try:
                async for line, sockets in _lines(visitor):
                    answer = await _answer(line, sockets, held, governor)
                    await asyncio.get_running_loop().sock_sendall(
                        visitor, msgspec.json.encode(answer) + b"\n"
                    )
            except OSError as error:
                log.debug("A visitor of the control socket left: %s", error)
            finally:
                held.close()


class _Held:
    """What a visitor brought; it goes with the visitor."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._open: list[Listener | Entrance] = []
        self._passes = Passes()

    async def listen(self, sockets: list[socket.socket], network: Network | None) -> None:
        """Serve all of the sockets, or none; without a network it is a relay that comes."""
        opened: list[Listener | Entrance] = []
        try:
            for sock in sockets:
                if network is None:
                    opened.append(await Entrance.open(sock, self._passes, self._board))
                else:
                    opened.append(await Listener.open(sock, network, self._board))
        except BaseException:
            for listener in opened:
                listener.close()
            raise
        self._open += opened

    def place(self, faults: Sequence[Placed]) -> None:
        self._board.faults.place(faults)

    def admit(self, known: Pass, network: Network | None) -> None:
        self._passes.put(known.secret, known.address, network)

    def close(self) -> None:
        for listener in self._open:
            listener.close()
        self._passes.close()


async def _answer(
    line: bytes, sockets: list[socket.socket], held: _Held, governor: Governor
) -> dict[str, Any]:
    with contextlib.ExitStack() as unused:
        for sock in sockets:
            unused.enter_context(sock)
        try:
            request = msgspec.json.decode(line, type=Request)
            if request.listen is not None or request.relay:
                if not sockets:
                    return {"error": "A request to listen comes with listening sockets."}
                await held.listen(sockets, _with_exceptions(request.listen, governor.allow_hosts))
                unused.pop_all()
            elif request.admit is not None:
                network = _with_exceptions(request.admit.network, governor.allow_hosts)
                held.admit(request.admit, network)
            elif request.faults is not None:
                held.place(request.faults)
            elif request.shutdown:
                governor.shutdown()
            elif not request.status:
                return {"error": f"A request is one of {', '.join(Request.__struct_fields__)}."}
        except (msgspec.DecodeError, OSError, ValueError) as error:
            return {"error": str(error)}
        return {"ok": True, **(governor.status() if request.status else {})}


def _with_exceptions(asked: Network | None, allow_hosts: tuple[str, ...]) -> Network | None:
    """The emulator's own exceptions hold for everyone who may use Google's hosts."""
    if asked is None or asked.scope == "hosts":
        return asked
    return msgspec.structs.replace(asked, allow_hosts=asked.allow_hosts + allow_hosts)


def _listening(name: str, instance: str) -> socket.socket:
    with contextlib.ExitStack() as on_error:
        sock = on_error.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.setblocking(False)  # noqa: FBT003 the socket module's own signature
        try:
            sock.bind(name)
        except OSError as error:
            raise OperatorError(
                f"Another gateway already serves the data directory with the instance {instance} "
                f"({error.strerror}). Stop the emulator that owns it and try again."
            ) from None
        sock.listen()
        on_error.pop_all()
        return sock


def _uid(visitor: socket.socket) -> int:
    credentials = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


async def _lines(visitor: socket.socket) -> AsyncIterator[tuple[bytes, list[socket.socket]]]:
    """Each line with the sockets that came with its bytes; the caller closes them."""
    pending = b""
    sockets: list[socket.socket] = []
    try:
        while True:
            while b"\n" in pending:
                line, _, pending = pending.partition(b"\n")
                handed, sockets = sockets, []
                yield line, handed
            if len(pending) > LINE_LIMIT:
                return
            await _readable(visitor)
            try:
                data, handles, _, _ = socket.recv_fds(visitor, LINE_LIMIT, _SOCKETS_LIMIT)
            except BlockingIOError:
                continue
            sockets += [socket.socket(fileno=handle) for handle in handles]
            if not data:
                return
            pending += data
    finally:
        for sock in sockets:
            sock.close()


async def _readable(visitor: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(visitor, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(visitor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
