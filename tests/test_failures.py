from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.failures import shorten
from emulator.names import GcsUri
from emulator.rehearsal import package_of


def test_our_frames_are_left_out_of_what_we_say(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as caught:
        package_of(tmp_path)
    shorten(caught)
    assert [Path(entry.path) for entry in caught.traceback] == [Path(__file__)]


def test_what_nobody_meant_to_say_is_shown_whole() -> None:
    with pytest.raises(ValueError, match="Not a gs:// URI") as caught:
        GcsUri.parse("x")
    before = list(caught.traceback)
    shorten(caught)
    assert list(caught.traceback) == before
    assert len(before) == 2
