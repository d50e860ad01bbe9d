"""The gateway's socket for relays: kept open here, handed over whenever the gateway is new."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
from typing import Any, Final

import msgspec

from emulator.cluster import Network
from emulator.errors import OperatorError

log = logging.getLogger(__name__)

_BACKLOG: Final = 512
_RETRY_S: Final = 0.1
_REFUSED_RETRY_S: Final = 2.0
_ANSWER_S: Final = 10.0


class Door:
    """Lets relays in that know ``secret``; who asks is told by the relay's own address."""

    def __init__(self, instance: str, secret: str) -> None:
        self._gateway = f"\0cmle-gateway-{instance}"
        self._secret = secret
        self._networks: dict[str, Network] = {}
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._control: asyncio.StreamWriter | None = None
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self._turn = asyncio.Lock()

    def open(self, address: str, port: int) -> int:
        """Listen on an address of a network of containers; on any port if that one is taken."""
        for number in (port, 0):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((address, number))
                sock.listen(_BACKLOG)
            except OSError as error:
                sock.close()
                if error.errno == errno.EADDRINUSE and number:
                    continue
                raise OperatorError(
                    f"The gateway cannot listen on {address}, where containers would reach it: "
                    f"{error.strerror}. Is the Docker Engine on this machine?"
                ) from error
            sock.setblocking(False)  # noqa: FBT003 the socket module's own signature
            self._socket = sock
            self._task = asyncio.create_task(self._keep(), name="door for relays")
            return int(sock.getsockname()[1])
        raise AssertionError

    async def admit(self, address: str, network: Network | None) -> None:
        """Whose connections come by the relay's address from now on; None: nobody's."""
        if network is None:
            self._networks.pop(address, None)
        else:
            self._networks[address] = network
        async with self._turn:
            if self._control is not None:  # else the next gateway hears it with all others
                with contextlib.suppress(OSError, TimeoutError):
                    await self._tell(self._control, self._pass(address, network))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    async def _keep(self) -> None:
        while True:
            refused = False
            try:
                await self._serve()
            except (OSError, TimeoutError) as error:
                log.debug("The gateway is away: %s", error)
            except OperatorError as error:
                log.error("%s", error)  # noqa: TRY400 a sentence, no trace
                refused = True
            await asyncio.sleep(_REFUSED_RETRY_S if refused else _RETRY_S)

    async def _serve(self) -> None:
        """Hand everything to a gateway, and stay until that is gone."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003 the socket module's own signature
        try:
            await asyncio.get_running_loop().sock_connect(sock, self._gateway)
            _check_peer(sock)
            reader, writer = await asyncio.open_unix_connection(sock=sock)
        except BaseException:
            sock.close()
            raise
        self._answers = asyncio.Queue()
        reading = asyncio.create_task(self._read(reader))
        try:
            async with self._turn:
                for address, network in self._networks.items():
                    await self._tell(writer, self._pass(address, network))
                assert self._socket is not None  # noqa: S101 open() made it
                socket.send_fds(sock, [b'{"relay":true}\n'], [self._socket.fileno()])
                await self._hear()
                self._control = writer
            await reading
        finally:
            self._control = None
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._answers.put_nowait(line)
        self._answers.put_nowait(b"")

    async def _tell(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        writer.write(msgspec.json.encode(request) + b"\n")
        await writer.drain()
        await self._hear()

    async def _hear(self) -> None:
        line = await asyncio.wait_for(self._answers.get(), _ANSWER_S)
        if not line:
            raise ConnectionResetError("the gateway went away")
        answer = msgspec.json.decode(line)
        if "error" in answer:
            raise OperatorError(f"The gateway refused the way of containers: {answer['error']}")

    def _pass(self, address: str, network: Network | None) -> dict[str, Any]:
        known = {"secret": self._secret, "address": address, "network": network}
        return {"admit": msgspec.to_builtins(known)}


def _check_peer(connection: socket.socket) -> None:
    """Refuse a name that another user of the machine took."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    if struct.unpack("3i", found)[1] not in {os.geteuid(), 0}:
        raise PermissionError("the gateway's name is taken by another user")
