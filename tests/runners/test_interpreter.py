import sys
from pathlib import Path

from emulator.cluster import Bind, Replica
from emulator.runners.interpreter import interpreter_binds, see_interpreter


def installation(folder: Path) -> Path:
    """A Python behind a link to a folder, and an environment made from it."""
    real = folder / "cpython-3.7.9" / "bin" / "python3.7"
    real.parent.mkdir(parents=True)
    real.touch()
    (folder / "cpython-3.7.9" / "lib" / "python3.7").mkdir(parents=True)
    (folder / "cpython-3.7").symlink_to("cpython-3.7.9")
    program = folder / "env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.symlink_to(folder / "cpython-3.7" / "bin" / "python3.7")
    (folder / "env" / "pyvenv.cfg").write_text(f"home = {folder}/cpython-3.7/bin\nx = y\n")
    return program


def replica(program: str, *binds: Bind) -> Replica:
    return Replica("r", "t", (program, "-V"), {}, "/work", binds)


def test_sees_each_stop_on_the_way(tmp_path: Path) -> None:
    found = interpreter_binds(installation(tmp_path))
    names = ["env", "cpython-3.7", "cpython-3.7.9"]
    assert [bind.source for bind in found] == [str(tmp_path / name) for name in names]
    assert all(bind.target == bind.source and not bind.writable for bind in found)


def test_keeps_what_the_caller_bound(tmp_path: Path) -> None:
    program = installation(tmp_path)
    own = Bind("/other", str(tmp_path / "env"))
    binds = see_interpreter(replica(str(program), own)).binds
    assert binds[0] == own
    assert [bind.target for bind in binds].count(own.target) == 1


def test_other_programs_need_nothing() -> None:
    for program in ("sh", "/not/here/python"):
        assert see_interpreter(replica(program)).binds == ()


def test_this_interpreter_is_found() -> None:
    sources = [bind.source for bind in see_interpreter(replica(sys.executable)).binds]
    assert sys.prefix in sources
    assert str(Path(sys.base_prefix).resolve()) in [str(Path(path).resolve()) for path in sources]


def test_a_link_in_a_home_does_not_show_the_home(tmp_path: Path) -> None:
    link = tmp_path / "home" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(installation(tmp_path))
    sources = [bind.source for bind in interpreter_binds(link)]
    assert str(tmp_path / "env") in sources
    assert str(tmp_path / "home") not in sources
