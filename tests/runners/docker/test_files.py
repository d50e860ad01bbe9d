"""What goes into a container, as one archive."""

import io
import tarfile
from pathlib import Path

import pytest

from emulator.cluster import Bind
from emulator.environment import SYSTEM_BUNDLE
from emulator.errors import OperatorError
from emulator.runners.docker.files import BUNDLE_NAMES, USER, Archive, refuse_writable, volume_of


def members(archive: Archive) -> dict[str, tarfile.TarInfo]:
    data = archive.finished()
    archive.close()
    assert isinstance(data, bytes)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: info for info in tar.getmembers()}


def test_copies_belong_to_root_and_can_be_read_by_all(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True, mode=0o700)
    (tmp_path / "a" / "b" / "secret").write_text("x")
    (tmp_path / "a" / "b" / "secret").chmod(0o600)
    (tmp_path / "a" / "run").write_text("x")
    (tmp_path / "a" / "run").chmod(0o700)
    (tmp_path / "a" / "link").symlink_to("run")
    archive = Archive()
    archive.copy(tmp_path / "a", "/opt/x")
    found = members(archive)
    assert set(found) == {"opt/x", "opt/x/b", "opt/x/b/secret", "opt/x/run", "opt/x/link"}
    assert {info.uid for info in found.values()} == {0}
    assert found["opt/x/b/secret"].mode == 0o444
    assert found["opt/x/run"].mode == 0o555
    assert found["opt/x/link"].linkname == "run"


def test_an_archive_may_be_empty() -> None:
    empty, full = Archive(), Archive()
    full.folder("/user_dir")
    assert (empty.is_empty, full.is_empty) == (True, False)
    empty.close()
    full.close()


def test_a_file_alone(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    archive = Archive()
    archive.copy(tmp_path / "f", "/etc/f")
    assert list(members(archive)) == ["etc/f"]


def test_a_folder_of_the_replicas_own_stays_its_own(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    archive = Archive()
    archive.folder("/user_dir")
    archive.copy(tmp_path, "/user_dir")
    found = members(archive)
    assert found["user_dir"].uid == USER
    assert found["user_dir/f"].uid == 0


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    archive = Archive()
    with pytest.raises(OperatorError, match="nowhere cannot be copied"):
        archive.copy(tmp_path / "nowhere", "/x")
    archive.close()


def test_a_large_archive_is_a_file(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(9 << 20)
    archive = Archive()
    archive.copy(tmp_path / "large", "/large")
    assert not isinstance(archive.finished(), bytes)
    archive.close()


def test_the_authority_is_wherever_it_is_looked_for() -> None:
    archive = Archive()
    archive.authorities(b"pem")
    found = members(archive)
    assert found[SYSTEM_BUNDLE.lstrip("/")].mode == 0o444
    assert all(found[name.lstrip("/")].linkname == SYSTEM_BUNDLE for name in BUNDLE_NAMES)


def test_what_cannot_be_written_back_is_refused() -> None:
    refuse_writable([Bind("/a", "/a"), Bind("volume:v", "/v", writable=True)])
    with pytest.raises(OperatorError, match="cannot write into /a"):
        refuse_writable([Bind("/a", "/a", writable=True)])
    assert volume_of(Bind("volume:v", "/v")) == "v"
