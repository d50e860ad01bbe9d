"""Where client libraries are led to an interception, while there is one."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from emulator.errors import OperatorError
from emulator.testing.interception import Interception

Undo = Callable[[], None]


class Seam(msgspec.Struct, frozen=True):
    """A library, the module here that has its ``patch()``, and what that needs besides."""

    library: str
    module: str
    needs: str = ""


SEAMS: Final = (
    Seam("http.client", "emulator.testing.through_http_client"),
    Seam("httpx", "emulator.testing.through_httpx"),
    Seam("httplib2", "emulator.testing.through_httplib2"),
    Seam("requests", "emulator.testing.through_requests", "responses"),
    Seam("time", "emulator.testing.sleeping"),
)

_lock = threading.Lock()
_active: list[Interception] = []
_undo: list[Undo] = []
_mine: ContextVar[tuple[Interception, ...]] = ContextVar("cmle_interceptions", default=())


def current() -> Interception | None:
    """The innermost interception of this thread or task; of a thread that has none, the latest."""
    for mine in reversed(_mine.get()):
        if mine in _active:
            return mine
    return _active[-1] if _active else None


def begin(interception: Interception) -> None:
    """Answer for Google's hosts from now on."""
    with _lock:
        if not _active:
            _patch()
        _active.append(interception)
    _mine.set((*_mine.get(), interception))


def end(interception: Interception) -> None:
    """Answer no more; the last one leaves every library as it was."""
    with _lock:
        _active.remove(interception)
        if not _active:
            _restore()
    _mine.set(tuple(mine for mine in _mine.get() if mine is not interception))


def put(owner: Any, name: str, make: Callable[[Any], Any]) -> Undo:
    """Replace an attribute by what ``make`` makes of it; undone unless someone else did, too."""
    original = getattr(owner, name)
    ours = make(original)
    setattr(owner, name, ours)

    def undo() -> None:
        if getattr(owner, name) is ours:
            setattr(owner, name, original)

    return undo


def _patch() -> None:
    try:
        for seam in SEAMS:
            if _is_used(seam):
                _undo.extend(import_module(seam.module).patch())
    except BaseException:
        _restore()
        raise


def _is_used(seam: Seam) -> bool:
    if find_spec(seam.library) is None:
        return False
    if seam.needs and find_spec(seam.needs) is None:
        raise OperatorError(
            f"{seam.library} is installed, but {seam.needs} is not, which answers its requests in "
            "process. `pip install 'cmle[testing]'` brings it."
        )
    return True


def _restore() -> None:
    while _undo:
        _undo.pop()()
