import pytest

from emulator.cluster import Line
from emulator.severity import Rated, rate


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (Line(1, 0, "stdout", "E x.cc:1] not parsed"), Rated("INFO", "E x.cc:1] not parsed")),
        (Line(1, 0, "stderr", "a warning of pip"), Rated("ERROR", "a warning of pip")),
        (
            Line(1, 0, "stderr", "2020-01-14 10:00:00.123456: I tensorflow/core/a.cc:142] CPU"),
            Rated("INFO", "CPU", "tensorflow/core/a.cc", 142),
        ),
        (
            Line(1, 0, "stderr", "W tensorflow/core/a.cc:7] slow"),
            Rated("WARNING", "slow", "tensorflow/core/a.cc", 7),
        ),
        (
            Line(1, 0, "stderr", "F0114 10:00:00.123456789      17 server.cc:9] died"),
            Rated("CRITICAL", "died", "server.cc", 9),
        ),
        (
            Line(1, 0, "log", "loss = 1", "WARNING", "/x/task.py", 3),
            Rated("WARNING", "loss = 1", "/x/task.py", 3),
        ),
        (Line(1, 0, "log", "odd", "Level 25"), Rated("INFO", "odd")),
    ],
)
def test_rates_a_line(line: Line, expected: Rated) -> None:
    assert rate(line) == expected
