"""The emulator's side of the gateway: start it, watch it, start it again, speak to it."""

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator.errors import OperatorError
from emulator.faults import Placed
from emulator.identity import Identity

log = logging.getLogger(__name__)

READY_DEADLINE_S: Final = 30.0
STOP_DEADLINE_S: Final = 10.0


class Ready(msgspec.Struct, frozen=True):
    """What the gateway reports when it serves."""

    port: int
    pid: int
    fake_gcs_pid: int = 0


class Keeper:
    """Owns the gateway process: ``async with Keeper(…) as keeper`` starts and stops it.

    A gateway that dies is started again on the same port; listeners that the emulator
    handed over are handed over again.
    """

    def __init__(self, instance: str, arguments: Sequence[str], *, port: int) -> None:
        self._instance = instance
        self._arguments = list(arguments)
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._listeners: list[tuple[socket.socket, Identity]] = []
        self._controls: list[socket.socket] = []
        self._faults: tuple[Placed, ...] = ()
        self._closing = False
        self._restarted: Callable[[Ready], None] = lambda _: None
        self.ready = Ready(0, 0)
        self.restarts = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Keeper"]:
        await self._retire_predecessor()
        try:
            await self._start()
            self._watch = asyncio.create_task(self._keep(), name="gateway keeper")
            yield self
        finally:
            await self._stop()

    async def offer(self, listener: socket.socket, identity: Identity) -> None:
        """Hand a listening socket to the gateway, now and after each restart of it."""
        self._listeners.append((listener, identity))
        await self._hand_over(listener, identity)

    async def place(self, faults: Sequence[Placed]) -> None:
        """Have requests meet these faults, now and after each restart of the gateway."""
        self._faults = tuple(faults)
        with await self._connect_patiently() as control:
            answer = await _ask(control, {"faults": msgspec.to_builtins(self._faults)})
        if "error" in answer:
            raise OperatorError(f"The gateway refused the faults: {answer['error']}")

    async def struck(self) -> dict[str, int]:
        """How often each fault has struck, by its id, as far as this gateway knows."""
        with await self._connect_patiently() as control:
            found = (await _ask(control, {"status": True}))["struck"]
        self._faults = tuple(
            msgspec.structs.replace(it, struck=found.get(it.id, it.struck)) for it in self._faults
        )
        return dict(found)

    def when_restarted(self, call: Callable[[Ready], None]) -> None:
        """Have the successor of a gateway that died announced."""
        self._restarted = call

    async def status(self) -> dict[str, Any]:
        """Ask the running gateway for its state."""
        with await self._connect() as control:
            return await _ask(control, {"status": True})

    async def _start(self) -> None:
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "emulator.gateway.process",
                *self._arguments,
                *(("--faults", msgspec.json.encode(self._faults)) if self._faults else ()),
                "--port",
                str(self._port),
                "--ready-fd",
                str(writing),
                pass_fds=(writing,),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the emulator, which ends it last
            )
            os.close(writing)
            writing = -1
            line = await asyncio.wait_for(_read_line(reading), READY_DEADLINE_S)
        except TimeoutError:
            await self._end_process()
            raise OperatorError(
                f"The gateway did not become ready within {READY_DEADLINE_S:.0f} s. "
                "Its messages are above; run `cmle doctor` to see what is missing."
            ) from None
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
        if not line:
            code = await self._process.wait()
            raise OperatorError("The gateway could not start; it says why above.", code or 1)
        self.ready = msgspec.json.decode(line, type=Ready)
        self._port = self.ready.port
        for listener, identity in self._listeners:
            await self._hand_over(listener, identity)

    async def _keep(self) -> None:
        while True:
            assert self._process is not None  # noqa: S101 set by _start
            code = await self._process.wait()
            if self._closing:
                return
            self.restarts += 1
            log.warning("The gateway ended (status %s); starting it again", code)
            self._drop_controls()
            while True:
                try:
                    await self._start()
                    break
                except (OperatorError, OSError) as error:  # it may die before it has all
                    log.error("%s Trying again.", error)  # noqa: TRY400 a sentence, no trace
                    await self._end_process()
                    await asyncio.sleep(1)
            self._restarted(self.ready)

    async def _hand_over(self, listener: socket.socket, identity: Identity) -> None:
        control = await self._connect()
        self._controls.append(control)
        request = {"listen": {"identity": msgspec.to_builtins(identity), "scope": "google"}}
        answer = await _ask(control, request, listener)
        if "error" in answer:
            raise OperatorError(f"The gateway refused a listener: {answer['error']}")

    async def _connect(self) -> socket.socket:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.setblocking(False)  # noqa: FBT003 the socket module's own signature
        try:
            await asyncio.get_running_loop().sock_connect(
                control, f"\0cmle-gateway-{self._instance}"
            )
        except OSError:
            control.close()
            raise
        return control

    async def _connect_patiently(self) -> socket.socket:
        """Also while the gateway is started again."""
        async with asyncio.timeout(READY_DEADLINE_S):
            while True:
                try:
                    return await self._connect()
                except OSError:
                    await asyncio.sleep(0.05)

    async def _retire_predecessor(self) -> None:
        """End the gateway that a killed emulator left behind."""
        try:
            control = await self._connect()
        except OSError:
            return
        with control:
            with contextlib.suppress(OSError, ValueError):
                await _ask(control, {"shutdown": True})
            with contextlib.suppress(OSError, TimeoutError):
                loop = asyncio.get_running_loop()
                async with asyncio.timeout(STOP_DEADLINE_S):
                    while await loop.sock_recv(control, 4096):
                        pass
        for _ in range(100):  # its port and control name are free once it is gone
            try:
                (await self._connect()).close()
            except OSError:
                return
            await asyncio.sleep(0.05)

    async def _stop(self) -> None:
        self._closing = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._end_process()
        self._drop_controls()
        for listener, _ in self._listeners:
            listener.close()

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_DEADLINE_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    def _drop_controls(self) -> None:
        for control in self._controls:
            control.close()
        self._controls.clear()


def gateway_arguments(
    data_dir: Path,
    *,
    allow_hosts: Sequence[str],
    fake_gcs_server: Path | str,
    grace_s: float,
    socket_path: Path | None = None,
) -> list[str]:
    """The gateway's command line but for its port; fake-gcs-server is a program or a URL."""
    way = "--fake-gcs-url" if isinstance(fake_gcs_server, str) else "--fake-gcs-server"
    arguments = ["--data-dir", str(data_dir), way, str(fake_gcs_server), "--grace", str(grace_s)]
    if socket_path is not None:
        arguments += ["--socket", str(socket_path)]
    for host in allow_hosts:
        arguments += ["--allow-host", host]
    return arguments


async def _ask(
    control: socket.socket, request: dict[str, Any], *listeners: socket.socket
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    line = json.dumps(request).encode() + b"\n"
    if listeners:
        socket.send_fds(control, [line], [listener.fileno() for listener in listeners])
    else:
        await loop.sock_sendall(control, line)
    answer = b""
    async with asyncio.timeout(STOP_DEADLINE_S):
        while not answer.endswith(b"\n"):
            piece = await loop.sock_recv(control, 65536)
            if not piece:
                break
            answer += piece
    return dict(json.loads(answer or b'{"error": "the gateway closed the connection"}'))


async def _read_line(handle: int) -> bytes:
    """Read one line from a pipe; empty at its end."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    with os.fdopen(os.dup(handle), "rb") as pipe:
        transport, _ = await loop.connect_read_pipe(lambda: protocol, pipe)
        try:
            return await reader.readline()
        finally:
            transport.close()
