"""Running a command of this machine: its output line by line, its end for certain."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

_TAIL: Final = 40  # lines that an error may show
_LINE_BYTES: Final = 1 << 20


class Outcome(msgspec.Struct, frozen=True):
    """Exit status (minus the signal's number when one ended it) and the last lines."""

    status: int
    tail: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.tail)


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    on_line: Callable[[str], None] = lambda _: None,
    keep_open: Sequence[int] = (),
) -> Outcome:
    """Run to the end; whoever stops waiting stops the command and its children too."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=env,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=tuple(keep_open),
        start_new_session=True,
        limit=_LINE_BYTES,
    )
    tail: deque[str] = deque(maxlen=_TAIL)
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        async for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line:
                tail.append(line)
                on_line(line)
        status = await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.returncode is None:
            await process.wait()
    return Outcome(status, tuple(tail))
