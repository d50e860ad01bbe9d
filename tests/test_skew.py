from pathlib import Path
from typing import Any

import pytest

from emulator import skew
from emulator.comparison import Tolerance
from emulator.errors import OperatorError
from emulator.skew import Recorded

NEAR = Tolerance(1e-3, 1e-3)


def test_equal_rows_have_no_skew() -> None:
    found = skew.compare([{"y": 1.0}, {"y": 2.0}], [{"y": 1.0, "k": 1}, {"y": 2.0}], NEAR)
    assert (found.rows, found.different, found.share) == (2, 0, 0.0)
    assert found.describe() == "0 of 2 rows differ (mean difference: y +0)"


def test_a_shift_is_measured() -> None:
    found = skew.compare([{"y": [1.0]}, {"y": [2.0]}], [{"y": [1.5]}, {"y": [2.5]}], NEAR)
    assert found.different == 2
    assert found.means == {"y": 0.5}
    assert found.describe().splitlines() == [
        "2 of 2 rows differ (mean difference: y +0.5)",
        "row 0['y'][0]: expected 1.0, found 1.5",
        "row 1['y'][0]: expected 2.0, found 2.5",
    ]


@pytest.mark.parametrize(
    ("want", "have"),
    [(1.0, {"y": 1.0}), (1.0, {"y": [1.0]}), ([1.0], 1.0), ({"y": 1.0}, {"y": [1.0]}), ("a", "a")],
    ids=str,
)
def test_forms_that_libraries_choose_are_no_skew(want: Any, have: Any) -> None:
    assert skew.compare([want], [have], NEAR).different == 0


def test_rows_must_be_as_many() -> None:
    with pytest.raises(OperatorError, match="2 recorded predictions"):
        skew.compare([1, 2], [1], NEAR)


def test_recordings_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.jsonl"
    path.write_text(
        '{"instance": {"x": 1}, "prediction": 2.0}\n\n{"instance": 3, "prediction": 4}\n'
    )
    assert skew.read(path) == (Recorded({"x": 1}, 2.0), Recorded(3, 4))


@pytest.mark.parametrize("line", ["", "[1]", '{"instance": 1}', "nonsense", "[" * 100_000])
def test_broken_recordings_are_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "evaluation.jsonl"
    path.write_text(line)
    with pytest.raises(OperatorError, match=r"evaluation\.jsonl"):
        skew.read(path)


def test_missing_recordings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be read"):
        skew.read(tmp_path / "nothing")
