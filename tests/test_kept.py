import asyncio
import os
from pathlib import Path

import pytest

from emulator import kept
from emulator.kept import Kept
from emulator.staging import Folders

LIBRARY = "lib/python3.7/site-packages"


def installed(root: Path, *names: str) -> Path:
    for name in names:
        (root / LIBRARY / f"{name}-1.0.dist-info").mkdir(parents=True)
        (root / LIBRARY / f"{name}.py").write_text(f"NAME = {name!r}")
    return root


def test_copy_is_the_taker_s_own(tmp_path: Path) -> None:
    shelf = Kept(tmp_path / "kept")
    shelf.keep("key", installed(tmp_path / "root", "trainer"), archives=1)
    for name in ("one", "two"):
        assert shelf.copy("key", tmp_path / name)
        module = tmp_path / name / LIBRARY / "trainer.py"
        assert module.read_text() == "NAME = 'trainer'"
        module.write_text("NAME = 'another'")
    assert not shelf.copy("another", tmp_path / "three")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "one", "root", "two"]


async def make(folders: Folders, *names: str) -> str:
    async with folders.making("key") as making:
        (making.work_dir / "trainer-1.0.tar.gz").touch()
        installed(Path(making.root), *names)
        return await making.keep()


def test_new_data_directory_takes_what_another_installed(tmp_path: Path) -> None:
    shelf = Kept(tmp_path / "kept")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first = asyncio.run(make(Folders(tmp_path / "one", shelf), "trainer"))
    again = Folders(tmp_path / "two", shelf)
    second = asyncio.run(again.find("key"))
    assert (first, second) == (str(tmp_path / "one" / "key"), str(tmp_path / "two" / "key"))
    module = Path(second, LIBRARY, "trainer.py")
    assert module.read_text() == "NAME = 'trainer'"
    assert module.stat().st_mode & 0o222 == 0
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["key"]
    assert asyncio.run(again.find("another")) == ""
    assert asyncio.run(Folders(tmp_path / "one").find("key")) == first


def test_job_with_a_dependency_is_installed_in_every_data_directory(tmp_path: Path) -> None:
    shelf = Kept(tmp_path / "kept")
    (tmp_path / "one").mkdir()
    asyncio.run(make(Folders(tmp_path / "one", shelf), "trainer", "dependency"))
    assert asyncio.run(Folders(tmp_path / "two", shelf).find("key")) == ""


def test_what_came_beside_the_archives_is_not_kept(tmp_path: Path) -> None:
    shelf = Kept(tmp_path / "kept")
    shelf.keep("key", installed(tmp_path / "root", "trainer", "dependency"), archives=1)
    assert not shelf.copy("key", tmp_path / "copy")


def test_what_is_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_BYTES", 10)
    shelf = Kept(tmp_path / "kept")
    shelf.keep("key", installed(tmp_path / "root", "trainer"), archives=1)
    assert not shelf.copy("key", tmp_path / "copy")


def test_other_code_makes_another_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Kept(tmp_path / "kept")
    shelf.keep("key", installed(tmp_path / "root", "trainer"), archives=1)
    (tmp_path / "changed.py").write_text("pass")
    monkeypatch.setattr(kept, "_MAKERS", (tmp_path / "changed.py",))
    assert not shelf.copy("key", tmp_path / "copy")


def test_last_used_ones_stay(tmp_path: Path) -> None:
    shelf = Kept(tmp_path / "kept", most=2)
    root = installed(tmp_path / "root", "trainer")
    for number, key in enumerate(("first", "second")):
        shelf.keep(key, root, archives=1)
        for path in (tmp_path / "kept").iterdir():
            if path.stat().st_mtime > 10:
                os.utime(path, (number, number))
    assert shelf.copy("first", tmp_path / "used")
    shelf.keep("third", root, archives=1)
    found = [key for key in ("first", "second", "third") if shelf.copy(key, tmp_path / key)]
    assert found == ["first", "third"]


def test_second_maker_of_the_same_changes_nothing(tmp_path: Path) -> None:
    shelf = Kept(tmp_path / "kept")
    root = installed(tmp_path / "root", "trainer")
    shelf.keep("key", root, archives=1)
    shelf.keep("key", root, archives=1)
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shelf = Kept(tmp_path / "file" / "kept")
    shelf.keep("key", installed(tmp_path / "root", "trainer"), archives=1)
    assert not shelf.copy("key", tmp_path / "copy")
