"""The gateway process: from its command line to its end."""

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator.cluster import Network
from emulator.datadir import DataDir
from emulator.errors import OperatorError
from emulator.faults import Placed
from emulator.gateway.authority import Authority
from emulator.gateway.control import Control, Governor
from emulator.gateway.faults import Faults
from emulator.gateway.forward import SILENCE_S, Forward
from emulator.gateway.listeners import Listener, bind, bind_path
from emulator.gateway.switchboard import Switchboard
from emulator.gateway.tls import Contexts
from emulator.gateway.ways_out import WaysOut
from emulator.identity import Identity
from emulator.storage import open_storage
from emulator.upstream import Upstream

log = logging.getLogger(__name__)

_WATCH_S: Final = 1.0  # between two looks at the emulator's lock
_RENEWAL_S: Final = 3600.0  # between two looks at the authority's age
_LEAVE_S: Final = 3.0  # for exchanges under way when the gateway ends


class Options(msgspec.Struct, frozen=True):
    """The command line."""

    data_dir: Path
    port: int
    fake_gcs_server: Path | str
    socket: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    faults: tuple[Placed, ...] = ()
    ready_fd: int | None = None
    grace_s: float = 30.0


def main(argv: Sequence[str]) -> int:
    """Run the gateway until it is told to end, or until its emulator has been gone too long."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s gateway: %(message)s", force=True
    )
    try:
        asyncio.run(run(_options(argv), os.environ))  # noqa: TID251 the gateway's entry
    except OperatorError as error:
        print(error, file=sys.stderr)  # noqa: T201 for the person at the terminal
        return error.exit_code
    return 0


async def run(options: Options, environment: Mapping[str, str]) -> None:
    """Serve; everything that was opened is closed again, whatever ends it."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    _raise_file_limit()
    async with _serving(options, environment, ended) as ready:
        if options.ready_fd is not None:
            with os.fdopen(options.ready_fd, "wb") as pipe:
                pipe.write(msgspec.json.encode(ready) + b"\n")
        await ended.wait()


@contextlib.asynccontextmanager
async def _serving(
    options: Options, environment: Mapping[str, str], ended: asyncio.Event
) -> AsyncIterator[dict[str, Any]]:
    data_dir = DataDir(options.data_dir)
    async with contextlib.AsyncExitStack() as stack:
        sock = stack.enter_context(bind(options.port))
        port = sock.getsockname()[1]
        instance = _instance(data_dir)
        # Closed last: a successor waits for the end of the control socket.
        control = Control(instance)
        stack.push_async_callback(control.close)
        storage = await stack.enter_async_context(
            open_storage(data_dir.root, fake_gcs_server=options.fake_gcs_server, log=log)
        )
        upstream = await stack.enter_async_context(
            Upstream(f"\0cmle-app-{instance}", idle_s=SILENCE_S)
        )

        authority = Authority.open(data_dir.authority, _now())
        board = Switchboard(
            storage=storage,
            application=Forward(upstream),
            contexts=Contexts(authority, _now()),
            ca_path=str(data_dir.authority / "ca.pem"),
            ways_out=WaysOut.of(environment, port),
            port=port,
        )
        board.faults = Faults(storage.project_of)
        board.faults.place(options.faults)

        def state() -> dict[str, Any]:
            known = {"port": port, "pid": os.getpid(), "fake_gcs_pid": storage.fake_gcs_pid}
            return {**known, "struck": board.faults.struck()}

        stack.push_async_callback(board.close, _LEAVE_S)
        user = Network(Identity(), "google", options.allow_hosts)
        stack.callback((await Listener.open(sock, user, board)).stop)
        if options.socket is not None:
            beside = bind_path(options.socket)
            stack.callback(options.socket.unlink, missing_ok=True)
            stack.callback((await Listener.open(beside, user, board)).stop)
        await stack.enter_async_context(
            _background(
                board.sweep(),
                control.serve(board, Governor(state, ended.set, options.allow_hosts)),
                _renew(authority, board),
                _watch_emulator(data_dir, options.grace_s, ended),
            )
        )
        yield state()


@contextlib.asynccontextmanager
async def _background(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on beside the block; its failure ends the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


async def _renew(authority: Authority, board: Switchboard) -> None:
    """Keep the certificates fresh in a gateway that runs for months."""
    while True:
        await asyncio.sleep(_RENEWAL_S)
        now = _now()
        if authority.due(now):
            authority = Authority.open(authority.folder, now)
            board.contexts = Contexts(authority, now)
            log.info("Renewed the certificate of the authority in %s", authority.folder)


async def _watch_emulator(data_dir: DataDir, grace_s: float, ended: asyncio.Event) -> None:
    """End when the emulator has not held its data directory for the grace period."""
    loop = asyncio.get_running_loop()
    seen = loop.time()
    while True:
        if data_dir.owner() is not None:
            seen = loop.time()
        elif loop.time() - seen >= grace_s:
            log.warning("The emulator has been gone for %g s; the gateway ends too", grace_s)
            ended.set()
            return
        await asyncio.sleep(min(_WATCH_S, grace_s))


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _instance(data_dir: DataDir) -> str:
    try:
        return data_dir.instance
    except OSError as error:
        raise OperatorError(
            f"{data_dir.root} is not a data directory of the emulator: its file 'instance' cannot "
            f"be read ({error.strerror}). `cmle serve --data-dir DIR` makes one."
        ) from None


def _raise_file_limit() -> None:
    """TensorFlow opens a connection for each request."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _options(argv: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser("cmle gateway", description="The address of Google's hosts.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="of 127.0.0.1; 0 takes a free one")
    storage = parser.add_mutually_exclusive_group(required=True)
    storage.add_argument("--fake-gcs-server", type=Path, help="the program")
    storage.add_argument("--fake-gcs-url", help="of one that runs already")
    parser.add_argument("--socket", type=Path, help="a Unix socket for users, beside the port")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME[:PORT]")
    parser.add_argument("--faults", default="[]", help="those that requests meet, as JSON")
    parser.add_argument("--ready-fd", type=int, help="gets one line of JSON when all is ready")
    parser.add_argument("--grace", type=float, default=30.0, help="seconds without an emulator")
    given = parser.parse_args(argv)
    return Options(
        data_dir=given.data_dir,
        port=given.port,
        fake_gcs_server=given.fake_gcs_server or given.fake_gcs_url,
        socket=given.socket,
        allow_hosts=tuple(given.allow_host),
        faults=msgspec.json.decode(given.faults, type=tuple[Placed, ...]),
        ready_fd=given.ready_fd,
        grace_s=given.grace,
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
