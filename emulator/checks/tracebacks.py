"""Where a job failed: the deepest line of a traceback that is the user's own."""

import re
from collections.abc import Iterable
from typing import Final

from emulator.checks.evidence import Failure, Source

_START: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'^\s+File "(.+)", line (\d+)', re.MULTILINE)
_END: Final = re.compile(r"^([A-Za-z_][\w.]*)(?::\s?(.*))?$", re.MULTILINE)
_REPLICA: Final = "\nThe replica "


def failure(text: str, sources: Iterable[Source]) -> Failure | None:
    """The exception that ended the first replica of which ``text`` has a traceback."""
    block = next((part for part in text.split(_REPLICA) if _START in part), "")
    _, _, trace = block.rpartition(_START)
    frames = list(_FRAME.finditer(trace))
    end = _END.search(trace, frames[-1].end() if frames else 0)
    if end is None:
        return None
    files = {_file(source): source.path for source in sources}
    path, line = next(
        (
            (shown, int(frame[2]))
            for frame in reversed(frames)
            for file, shown in files.items()
            if frame[1].endswith(f"/{file}")
        ),
        ("", 0),
    )
    return Failure(end[1], end[2] or "", path, line, traceback=f"{_START}{trace}".rstrip())


def _file(source: Source) -> str:
    """Where a module lies below the folder that it is installed into."""
    name = source.module.replace(".", "/")
    return f"{name}/__init__.py" if source.inside.endswith("__init__.py") else f"{name}.py"
