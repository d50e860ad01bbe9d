import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from emulator.archives import Limits
from emulator.checks import contents


def tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_members_and_texts(tmp_path: Path) -> None:
    files = {"x-1/trainer/task.py": b"print(1)\n", "x-1/trainer/a.bin": b"\0\1"}
    archive = contents.read(tar(tmp_path / "x-1.tar.gz", files))
    assert [(member.name, member.size) for member in archive.members] == [
        ("x-1/trainer/task.py", 9),
        ("x-1/trainer/a.bin", 2),
    ]
    assert archive.texts == {"x-1/trainer/task.py": "print(1)\n"}


def test_wheel(tmp_path: Path) -> None:
    path = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("trainer/task.py", "print(1)")
    assert contents.read(path).texts == {"trainer/task.py": "print(1)"}


def test_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tar(tmp_path / "x-1.tar.gz", {"x-1/a.txt": bytes(3 << 20)})
    archive = contents.read(path, Limits(unpacked_bytes=1 << 20))
    assert "not unpacked" in archive.refusal
    assert archive.members == ()


@given(st.binary(max_size=400))
def test_garbage_is_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tar.gz"
        path.write_bytes(content)
        archive = contents.read(path)
        assert archive.refusal or not archive.members


@given(st.binary(min_size=1, max_size=60), st.integers(0, 3000))
def test_damaged_archives_are_no_crash(noise: bytes, at: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = tar(Path(folder) / "x.tar.gz", {"x/a.py": b"a = 1\n" * 50, "x/b.txt": b"b"})
        whole = bytearray(path.read_bytes())
        at %= len(whole)
        whole[at : at + len(noise)] = noise
        path.write_bytes(whole)
        contents.read(path)
