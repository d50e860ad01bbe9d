"""The way to the package index for installations of a check: a gateway with nothing behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from starlette.types import Receive, Scope, Send

from emulator.datadir import DataDir
from emulator.errors import Unavailable
from emulator.gateway.authority import Authority
from emulator.gateway.control import Control, Governor
from emulator.gateway.exchanges import refuse
from emulator.gateway.routes import Refusal
from emulator.gateway.switchboard import Switchboard
from emulator.gateway.tls import Contexts
from emulator.gateway.ways_out import WaysOut


@contextlib.asynccontextmanager
async def opened(
    data_dir: DataDir, environment: Mapping[str, str], now: float
) -> AsyncIterator[None]:
    """Serve the listeners of this folder's sites: tunnels to the hosts that they may reach."""
    moment = datetime.fromtimestamp(now, UTC)
    control = Control(data_dir.instance)
    authority = Authority.open(data_dir.authority, moment)
    board = Switchboard(
        storage=_nothing,
        application=_nothing,
        contexts=Contexts(authority, moment),
        ca_path=str(data_dir.authority / "ca.pem"),
        ways_out=WaysOut.of(environment, 0),
    )
    governor = Governor(status=dict, shutdown=lambda: None)
    work = [asyncio.create_task(each) for each in (board.sweep(), control.serve(board, governor))]
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await board.close()
        await control.close()


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = Refusal.of(Unavailable("A check has no services behind its gateway."))
    await refuse(refusal)(scope, receive, send)
