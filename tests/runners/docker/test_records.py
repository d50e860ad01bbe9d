"""What stays of containers that are gone."""

from pathlib import Path

from emulator.cluster import Exit, Line, Ref
from emulator.runners.docker.records import Records

REF = Ref("docker", "site", "m", "t")


def test_lines_and_end_are_kept(tmp_path: Path) -> None:
    records = Records(tmp_path)
    lines = [Line(n, 1.5, "stdout", f"ä{n}") for n in range(1, 5)]
    records.keep("site", "m", Exit("exited", code=3), lines)
    assert records.end(REF) == Exit("exited", code=3)
    assert list(records.lines(REF, 2)) == lines[2:]


def test_nothing_is_known_of_others(tmp_path: Path) -> None:
    records = Records(tmp_path)
    assert records.end(REF) is None
    assert list(records.lines(REF, 0)) == []
