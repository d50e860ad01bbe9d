import json
from pathlib import Path

import pytest

from emulator import golden
from emulator.comparison import Tolerance
from emulator.errors import OperatorError
from emulator.golden import Golden

KNOWN = Golden(
    [{"x": 1}, {"x": 2}], [{"y": 1.0, "k": "a"}, {"y": 2.0, "k": "ä"}], Tolerance(0.1, 0)
)


def test_a_file_is_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "golden" / "a.json"
    golden.write(path, KNOWN)
    assert golden.read(path) == KNOWN
    assert [it.name for it in path.parent.iterdir()] == ["a.json"]


def test_a_diff_shows_the_row(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    golden.write(path, KNOWN)
    lines = path.read_text().splitlines()
    assert '    {"k": "ä", "y": 2.0}' in lines
    assert json.loads(path.read_text())["tolerance"] == {"relative": 0.1, "absolute": 0.0}


def test_what_no_reader_takes_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(OperatorError, match="NaN or an infinity"):
        golden.write(path, Golden([1], [float("nan")]))
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [None, "", "[]", '{"instances": []}', '{"instances": [], "predictions": [], "a": 1}']
)
def test_other_files_are_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OperatorError, match=r"golden file .*a\.json"):
        golden.read(path)


def test_differences_are_beyond_the_tolerance() -> None:
    near = [{"y": 1.05, "k": "a"}, {"y": 2.0, "k": "ä"}]
    assert KNOWN.differences(near) == []
    far = [{"y": 1.2, "k": "a"}, {"y": 2.0, "k": "b", "z": 1}]
    assert KNOWN.differences(far) == [
        "prediction 0['y']: expected 1.0, found 1.2",
        "prediction 1['k']: expected 'ä', found 'b'",
        "prediction 1: the key 'z' is new",
    ]
    assert KNOWN.differences(near[:1]) == ["expected 2 predictions, found 1"]
