"""A package is built again when something changed that its setup.py may read, and only then."""

import tarfile
from pathlib import Path

import pytest

from emulator.builds import built
from emulator.errors import OperatorError


@pytest.fixture
def package(tmp_path: Path) -> Path:
    found = tmp_path / "code" / "trainer"
    found.mkdir(parents=True)
    (found / "__init__.py").touch()
    (found / "task.py").write_text("print(1)")
    return found


def test_second_time_nothing_is_built(package: Path, tmp_path: Path) -> None:
    (first,) = built(package, tmp_path / "kept")
    made = first.stat().st_ino
    (again,) = built(package, tmp_path / "kept")
    assert (again, again.stat().st_ino) == (first, made)


def test_change_is_built_anew(package: Path, tmp_path: Path) -> None:
    (first,) = built(package, tmp_path / "kept")
    (package / "task.py").write_text("print(22)")
    (second,) = built(package, tmp_path / "kept")
    assert first != second
    with tarfile.open(second) as archive:
        (name,) = [name for name in archive.getnames() if name.endswith("task.py")]
        file = archive.extractfile(name)
        assert file is not None
        assert file.read() == b"print(22)"


def test_what_lies_beside_counts_with_a_setup(package: Path, tmp_path: Path) -> None:
    beside = package.parent / "data" / "words.txt"
    beside.parent.mkdir()
    beside.write_text("a")
    (without,) = built(package, tmp_path / "kept")
    beside.write_text("bb")
    assert built(package, tmp_path / "kept") == [without]
    (package.parent / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='trainer', packages=['trainer'])"
    )
    (with_setup,) = built(package, tmp_path / "kept")
    beside.write_text("ccc")
    assert built(package, tmp_path / "kept") != [with_setup]


def test_failure_leaves_nothing(package: Path, tmp_path: Path) -> None:
    (package.parent / "setup.py").write_text("raise SystemExit('no')")
    with pytest.raises(OperatorError, match="no"):
        built(package, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
