"""The supervisor's splitter of streams into lines, for runners that have no supervisor.

It is read from its file: what runs in a runtime is no module of the emulator.
"""

import importlib.util
from collections.abc import Callable
from typing import Any, Final, Protocol

from emulator.shipped import SHIMS

_FILE: Final = SHIMS / "supervision" / "lines.py"


class SplitterLike(Protocol):
    """See ``Splitter`` in supervision/lines.py."""

    def feed(self, data: bytes, now: float) -> list[bytes]: ...
    def end(self) -> list[bytes]: ...


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("cmle_supervision_lines", _FILE)
    assert spec is not None  # noqa: S101 the file ships with the emulator
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_lines: Final = _module()
LONGEST: Final[int] = _lines.LONGEST
Splitter: Final[Callable[[], SplitterLike]] = _lines.Splitter
