"""What pytest's report shows of a failure: its jobs' logs and what is kept, no frames of ours."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emulator.engine import Engine
from emulator.errors import CmleError
from emulator.meeting import Room
from emulator.rehearsal import Rehearsal, evidence

if TYPE_CHECKING:
    import pytest

_OURS: Final = Path(__file__).parent


def shorten(excinfo: "pytest.ExceptionInfo[BaseException]") -> None:
    """Leave out our own frames where the message says it all."""
    if isinstance(excinfo.value, AssertionError | CmleError):
        kept = excinfo.traceback.filter(lambda entry: _OURS not in Path(entry.path).parents)
        excinfo.traceback = kept or excinfo.traceback


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
