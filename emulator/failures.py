"""What pytest's report shows of a failure: its jobs' logs and what is kept, no frames of ours."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from emulator.engine import Engine
from emulator.errors import CmleError
from emulator.meeting import Room
from emulator.rehearsal import Rehearsal, evidence

if TYPE_CHECKING:
    import pytest

_OURS: Final = Path(__file__).parent


def shorten(excinfo: "pytest.ExceptionInfo[BaseException]") -> None:
    """Leave out our own frames below the test's where the message says it all."""
    if not isinstance(excinfo.value, AssertionError | CmleError):
        return
    trace: TracebackType | None = excinfo.tb
    while trace is not None:
        following = trace.tb_next
        while following is not None and _is_ours(following):
            following = following.tb_next
        trace.tb_next = following  # pytest reads the chain itself, anew
        trace = following


def _is_ours(trace: TracebackType) -> bool:
    return _OURS in Path(trace.tb_frame.f_code.co_filename).parents


def sections(
    engine: Engine, rehearsal: Rehearsal | None, began: float, *, keeps: bool
) -> Iterator[tuple[str, str]]:
    """The logs of the jobs since ``began`` that did not succeed, and what is kept of the test."""
    try:
        with engine.client(rehearsal.project if rehearsal else "") as client:
            yield from evidence(client, began)
    except CmleError as error:
        yield "cmle", f"The logs of this test's jobs could not be read: {error}"
    if keeps:
        Room(engine.data_dir.parent).keep()
        if rehearsal is not None:
            lines = [f"project {rehearsal.project}", *rehearsal.traces()]
            yield f"cmle kept in {engine.data_dir}", "\n".join(lines)
