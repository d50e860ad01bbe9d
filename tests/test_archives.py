import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from emulator.archives import Limits, Refused, check

SMALL = Limits(members=3, unpacked_bytes=1000)


def tar(path: Path, *members: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload] # modes as they come
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    return path


def member(
    name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


def packed(path: Path, names: dict[str, int]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size in names.items():
            archive.writestr(name, bytes(size))
    return path


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz", "w"])
def test_ordinary_packages_pass(tmp_path: Path, mode: str) -> None:
    inside = member("p-1/lib.so", kind=tarfile.SYMTYPE, link="../p-1/setup.py")
    check(tar(tmp_path / "p.tar", member("p-1/setup.py", 10), inside, mode=mode))


def test_ordinary_wheels_pass(tmp_path: Path) -> None:
    check(packed(tmp_path / "p-1-py3-none-any.whl", {"p.py": 10, "a/../b.py": 0}))


@pytest.mark.parametrize(
    "outside",
    [
        member("../evil"),
        member("p-1/../../evil"),
        member("/etc/evil"),
        member("p-1/a", kind=tarfile.SYMTYPE, link="../../evil"),
        member("p-1/a", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("p-1/a", kind=tarfile.LNKTYPE, link="../evil"),
    ],
    ids=["parent", "detour", "absolute", "link", "absolute link", "hard link"],
)
def test_ways_out_are_refused(tmp_path: Path, outside: tarfile.TarInfo) -> None:
    with pytest.raises(Refused, match="leads outside"):
        check(tar(tmp_path / "p.tar.gz", member("p-1/setup.py"), outside))


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a\\..\\..\\evil.py"])
def test_ways_out_of_a_wheel_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="leads outside"):
        check(packed(tmp_path / "p.whl", {name: 1}))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(Refused, match="device"):
        check(tar(tmp_path / "p.tar.gz", member("p-1/null", kind=kind)))


def test_bombs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="more than 3 files"):
        check(tar(tmp_path / "p.tar.gz", member("a", 600), member("b", 600)), SMALL)
    with pytest.raises(Refused, match="more than 3 files"):
        check(packed(tmp_path / "p.zip", dict.fromkeys("abcd", 1)), SMALL)


def test_giant_headers_are_refused(tmp_path: Path) -> None:
    header = member("x", 1 << 32, tarfile.XHDTYPE)
    path = tmp_path / "p.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(10240)))
    with pytest.raises(Refused, match="header of 4294967296 bytes"):
        check(path)


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"\x1f\x8bbroken", b"PK\x03\x04", b"BZh9x"]
)
def test_what_is_no_archive_is_left_to_pip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.tar.gz"
    path.write_bytes(content)
    check(path)


def test_broken_archives_are_left_to_pip(tmp_path: Path) -> None:
    path = tar(tmp_path / "p.tar.gz", member("p-1/setup.py", 5000))
    path.write_bytes(path.read_bytes()[:-20])
    check(path)
