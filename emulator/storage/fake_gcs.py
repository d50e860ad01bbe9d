"""The process fake-gcs-server: started, watched, started again when it dies."""

import asyncio
import contextlib
import ctypes
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from emulator.errors import OperatorError
from emulator.upstream import Broken, Unreachable, Upstream

BUCKET: Final = "blobs"
_HOST: Final = "127.0.0.1"
_START_S: Final = 15.0
_POLL_S: Final = 0.01
_LEAVE_S: Final = 3.0
_BACKOFF_S: Final = (0.0, 0.1, 0.5, 2.0)  # before the first, second … start after a death
_STEADY_S: Final = 30.0  # a process that lived so long died by accident, not by nature
# Nothing of ours. Half the work of its garbage collector for some memory more.
_ENVIRONMENT: Final = {"GOGC": "400", "GOMEMLIMIT": "128MiB"}
_PR_SET_PDEATHSIG: Final = 1
_OK: Final = 200
_CONFLICT: Final = 409


class FakeGcs:
    """fake-gcs-server on a free port of the loopback, its files below ``root``.

    What it has not finished writing stands beside ``root`` and is removed at each start.
    """

    def __init__(self, program: Path, root: Path, log: logging.Logger) -> None:
        self._program = program
        self._root = root
        self._unfinished = root.with_name(f"{root.name}.part")
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._upstream: Upstream | None = None
        self._ready = asyncio.Event()
        self._last_words: deque[str] = deque(maxlen=20)

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._process.pid if self._process is not None else 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have it run for the time of the block; raises OperatorError if it does not start."""
        _check_attributes(self._root)
        reading = await self._start()
        keeper = asyncio.create_task(self._keep(reading))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._stop()

    async def upstream(self) -> Upstream:
        """The way to it, once it is ready."""
        await self._ready.wait()
        if self._upstream is None:
            raise Unreachable("fake-gcs-server is not running.")
        return self._upstream

    async def _keep(self, reading: "asyncio.Task[None]") -> None:
        """Start it again whenever it dies, later and later if it dies at once."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            started = loop.time()
            if self._process is not None:
                await self._process.wait()
                await reading
            self._ready.clear()
            deaths = 1 if loop.time() - started > _STEADY_S else deaths + 1
            self._log.warning(
                "fake-gcs-server ended (%s); starting it again. %s",
                self._process.returncode if self._process else "never started",
                " ".join(self._last_words),
            )
            await self._close_upstream()
            await asyncio.sleep(_BACKOFF_S[min(deaths, len(_BACKOFF_S)) - 1])
            try:
                reading = await self._start()
            except OperatorError as error:
                self._log.error("%s", error)

    async def _start(self) -> "asyncio.Task[None]":
        """Start it and wait until it answers; answers the task that reads its output."""
        port = _free_port()
        shutil.rmtree(self._unfinished, ignore_errors=True)
        with contextlib.suppress(OSError):  # a full disk: it then writes beside the object
            self._unfinished.mkdir(mode=0o700, exist_ok=True)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._arguments(port),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**_ENVIRONMENT, "TMPDIR": str(self._unfinished)},
                preexec_fn=_death_follows(os.getpid()),
                start_new_session=True,  # a terminal's Ctrl-C is the emulator's to handle
            )
        except OSError as error:
            raise OperatorError(
                f"{self._program} cannot be run: {error.strerror}. Name another fake-gcs-server "
                "with --fake-gcs-server."
            ) from error
        self._process = process
        self._last_words.clear()
        reading = asyncio.create_task(self._read_output(process))
        upstream = Upstream((_HOST, port), keep_alive_s=30.0, max_idle=32)
        try:
            await self._await_answer(process, upstream)
        except BaseException:
            await upstream.aclose()
            await self._stop()
            await reading
            raise
        self._upstream = upstream
        self._ready.set()
        return reading

    def _arguments(self, port: int) -> list[str]:
        options = {
            "scheme": "http",
            "host": _HOST,
            "port": str(port),
            "backend": "filesystem",
            "filesystem-root": str(self._root),
            "public-host": "storage.googleapis.com",
            "log-level": "error",
        }
        arguments = [text for name, value in options.items() for text in (f"-{name}", value)]
        return [str(self._program), *arguments]

    async def _await_answer(self, process: asyncio.subprocess.Process, upstream: Upstream) -> None:
        """Make our one bucket, which shows that it serves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                while process.returncode is None:
                    if await make_bucket(upstream):
                        return
                    await asyncio.sleep(_POLL_S)
        await asyncio.sleep(0)
        words = " ".join(self._last_words) or "It said nothing."
        raise OperatorError(
            f"fake-gcs-server ({self._program}) did not start: {words} Its files are in "
            f"{self._root}."
        )

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        while line := await process.stdout.readline():
            text = line.decode(errors="replace").rstrip()
            self._last_words.append(text)
            self._log.debug("fake-gcs-server: %s", text)

    async def _stop(self) -> None:
        self._ready.clear()
        await self._close_upstream()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_LEAVE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _close_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            await upstream.aclose()


async def make_bucket(upstream: Upstream) -> bool:
    """Make the one bucket, if it is not there; answers whether the server did."""
    headers = [(b"content-type", b"application/json")]
    body = b'{"name":"%b"}' % BUCKET.encode()
    try:
        answer = await upstream.send("POST", "/storage/v1/b", headers, body)
        await answer.read()
    except (Unreachable, Broken):
        return False
    return answer.status in {_OK, _CONFLICT}


def _check_attributes(root: Path) -> None:
    """fake-gcs-server keeps what it knows of a file in an extended attribute of the file."""
    try:
        with tempfile.NamedTemporaryFile(dir=root) as probe:
            _set_attribute(probe.name, root)
    except OSError as error:
        raise OperatorError(f"Nothing can be written in {root}: {error.strerror}.") from error


def _set_attribute(path: str, root: Path) -> None:
    try:
        os.setxattr(path, "user.cmle", b"1")
    except OSError as error:
        raise OperatorError(
            f"The file system of {root} keeps no extended attributes of users "
            f"({error.strerror}), without which fake-gcs-server loses objects. Choose a data "
            "directory on another one, such as ext4, xfs or btrfs."
        ) from error


def _death_follows(parent: int) -> Callable[[], None]:
    """What a child does before it runs: ask to be killed when the thread that made it ends."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return prepare


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((_HOST, 0))
        port: int = sock.getsockname()[1]
        return port
