import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from emulator import packaging
from emulator.errors import OperatorError
from emulator.packaging import build

SETUP = """\
from setuptools import find_packages, setup

setup(name="fares", version="0.3", packages=find_packages(), scripts=["tool.py"])
"""
PACKAGE = {"trainer/__init__.py": "", "trainer/task.py": "print(1)\n"}


def write(root: Path, files: dict[str, str]) -> Path:
    """A source tree; answers its package ``trainer``."""
    for name, text in {**PACKAGE, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root / "trainer"


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [root, *sorted(root.rglob("*"))]
    }


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        found = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    return {name for name in found if ".egg-info" not in name}


def digest(archive: Path) -> str:
    return hashlib.sha256(archive.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def python() -> Path:
    ways = list(packaging.with_setuptools(os.environ))
    if not ways:
        pytest.skip("no Python of this machine has setuptools")
    return Path(ways[0][0])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without setuptools, and one that is not allowed to fetch it."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def test_package_without_setup_gets_the_service_s_name(tmp_path: Path, python: Path) -> None:
    package = write(tmp_path / "code", {"trainer/util/__init__.py": "", "trainer/data.csv": "1"})
    (archive,) = build(package, tmp_path / "out", python=python)
    assert archive == tmp_path / "out" / "trainer-0.0.0.tar.gz"
    expected = {"trainer", "trainer/__init__.py", "trainer/task.py"}
    assert {name for name in names(archive) if name.startswith("trainer")} == expected


def test_own_setup_decides(tmp_path: Path, python: Path) -> None:
    parts = dict.fromkeys(("tool.py", "other/__init__.py", "trainer/sub/__init__.py"), "")
    files = {"setup.py": SETUP, **parts}
    (archive,) = build(write(tmp_path / "code", files), tmp_path / "out", python=python)
    assert archive.name == "fares-0.3.tar.gz"
    assert names(archive) >= set(parts)


@pytest.mark.parametrize("files", [{}, {"setup.py": SETUP, "tool.py": ""}], ids=["none", "own"])
def test_user_s_tree_is_never_touched(tmp_path: Path, python: Path, files: dict[str, str]) -> None:
    package = write(tmp_path / "code", files)
    before = snapshot(package.parent)
    build(package, tmp_path / "out", python=python)
    assert snapshot(package.parent) == before


@pytest.mark.parametrize("files", [{}, {"setup.py": SETUP, "tool.py": ""}], ids=["none", "own"])
def test_same_package_is_the_same_archive(
    tmp_path: Path, python: Path, files: dict[str, str]
) -> None:
    (first,) = build(write(tmp_path / "a", files), tmp_path / "out1", python=python)
    package = write(tmp_path / "b", files)
    os.utime(package / "task.py", (1, 1))
    (second,) = build(package, tmp_path / "out2", python=python)
    assert digest(first) == digest(second)
    (package / "task.py").write_text("print(2)\n")
    (third,) = build(package, tmp_path / "out3", python=python)
    assert digest(third) != digest(first)


def test_without_setuptools_the_archive_is_written_by_hand(
    tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write(tmp_path / "code", {"trainer/util/__init__.py": "", "README.md": "x"})
    monkeypatch.setattr(packaging, "with_setuptools", lambda _: iter(()))
    (by_hand,) = build(package, tmp_path / "out")
    assert names(by_hand) == {"setup.py", "PKG-INFO", "trainer/__init__.py", "trainer/task.py"}
    monkeypatch.undo()
    subprocess.run(["tar", "-xzf", by_hand], cwd=tmp_path, check=True)
    root = tmp_path / "trainer-0.0.0"
    subprocess.run([python, "setup.py", "-q", "build"], cwd=root, check=True)
    assert (root / "build" / "lib" / "trainer" / "task.py").is_file()


def test_directory_that_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    with pytest.raises(OperatorError) as caught:
        build(tmp_path / "code", tmp_path / "out")
    assert str(caught.value) == (
        f"[{tmp_path / 'code'}] is not a valid Python package because it does not contain an"
        "         `__init__.py` file. Please create one and try again. Also, please"
        "         ensure that --package-path refers to a local directory.\n"
    )


def test_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"Source directory \[.*\] is not a valid directory\."):
        build(tmp_path / "none" / "trainer", tmp_path / "out")


def test_failing_setup_shows_its_output(tmp_path: Path, python: Path) -> None:
    package = write(tmp_path / "code", {"setup.py": "raise SystemExit('no such thing')"})
    with pytest.raises(OperatorError) as caught:
        build(package, tmp_path / "out", python=python)
    assert str(caught.value) == (
        "Packaging of user Python code failed with message:\n\nno such thing\n\n"
        "Try manually building your Python code by running:\n  $ python setup.py sdist\n"
        "and providing the output via the `--packages` flag (for example, "
        "`--packages dist/package.tar.gz,dist/package2.whl)`"
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_failing_generated_setup_gives_other_advice(tmp_path: Path, bare: Path) -> None:
    with pytest.raises(OperatorError) as caught:
        build(write(tmp_path / "code", {}), tmp_path / "out", python=bare)
    assert "No module named 'setuptools'" in str(caught.value)
    assert str(caught.value).endswith("at your package root and rerunning the command.")


def test_setup_that_deletes_itself_is_no_crash(tmp_path: Path, python: Path) -> None:
    deletes = "import os, shutil\nshutil.rmtree(os.getcwd())\nraise SystemExit(1)\n"
    package = write(tmp_path / "code", {"setup.py": deletes})
    with pytest.raises(OperatorError, match=r"deleted the folder that it is built in[.]"):
        build(package, tmp_path / "out", python=python)
    assert (package.parent / "setup.py").is_file()


def test_odd_setup_is_built_with_less(tmp_path: Path, python: Path) -> None:
    """A setup.py that knows sdist alone is still packed, by the last try."""
    odd = "import sys\nif sys.argv[1] != 'sdist': sys.exit('what?')\n" + SETUP
    package = write(tmp_path / "code", {"setup.py": odd, "tool.py": ""})
    (archive,) = build(package, tmp_path / "out", python=python)
    assert archive.name == "fares-0.3.tar.gz"


def test_zip_archives_are_settled_too(tmp_path: Path, python: Path) -> None:
    files = {"setup.py": SETUP, "tool.py": "", "setup.cfg": "[sdist]\nformats = zip\n"}
    built = [
        build(write(tmp_path / name, files), tmp_path / f"out-{name}", python=python)
        for name in ("a", "b")
    ]
    assert [path.name for paths in built for path in paths] == ["fares-0.3.zip"] * 2
    assert len({digest(path) for paths in built for path in paths}) == 1
    with zipfile.ZipFile(built[0][0]) as archive:
        assert archive.testzip() is None


def test_odd_trees_are_copied(tmp_path: Path, python: Path) -> None:
    package = write(tmp_path / "code", {"setup.py": SETUP, "tool.py": ""})
    (package / "circle").symlink_to(package.parent)
    (package.parent / "dangling").symlink_to("/nonexistent")
    os.mkfifo(package.parent / "pipe")
    (package.parent / "venv").mkdir()
    (package.parent / "venv" / "pyvenv.cfg").touch()
    (package.parent / "venv" / "evil").symlink_to("/proc")
    (archive,) = build(package, tmp_path / "out", python=python)
    assert "trainer/task.py" in names(archive)


def test_package_of_any_name_is_quoted(tmp_path: Path, python: Path) -> None:
    package = write(tmp_path / "code", {}).rename(tmp_path / "code" / "it's")
    with_name = build(package, tmp_path / "out", python=python)
    assert len(with_name) == 1


def test_relative_paths_are_taken_from_here(
    tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write(tmp_path / "code", {})
    monkeypatch.chdir(package)
    (archive,) = build(Path(), tmp_path / "out", python=python)
    assert archive.name == "trainer-0.0.0.tar.gz"
    shutil.rmtree(tmp_path / "out")
    monkeypatch.chdir(package.parent)
    assert build(Path("trainer/"), tmp_path / "out", python=python) == [archive]
