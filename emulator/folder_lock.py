"""One maker at a time for a folder that several processes share."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

_POLL_S = 0.1


@asynccontextmanager
async def exclusive(path: Path, on_wait: Callable[[], None] = lambda: None) -> AsyncIterator[int]:
    """Hold the lock file ``path``; yields its descriptor.

    A child that inherits the descriptor keeps the lock: what it writes is its own until it
    has ended, even when its parent is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        waited = False
        while not _taken(handle):
            if not waited:
                waited = True
                on_wait()
            await asyncio.sleep(_POLL_S)
        yield handle
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
