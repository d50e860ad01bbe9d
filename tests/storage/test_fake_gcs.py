import asyncio
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.storage.fake_gcs import FakeGcs

LOG = logging.getLogger("tests.storage")
DEADLINE_S = 20
PARENT = """
import asyncio, logging, sys
from pathlib import Path
from emulator.storage.fake_gcs import FakeGcs

async def main():
    server = FakeGcs(Path(sys.argv[1]), Path(sys.argv[2]), logging.getLogger())
    async with server.running():
        print(server.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def start(program: Path, root: Path) -> None:
    async with FakeGcs(program, root, LOG).running():
        pass


def test_runs_for_the_time_of_the_block(tmp_path: Path, fake_gcs_server: Path) -> None:
    async def main() -> int:
        server = FakeGcs(fake_gcs_server, tmp_path, LOG)
        assert server.pid == 0
        async with server.running():
            answer = await (await server.upstream()).send("GET", "/storage/v1/b", [])
            assert b'"blobs"' in await answer.read()
            assert is_alive(server.pid)
            return server.pid

    assert not is_alive(asyncio.run(main()))


def test_what_it_has_not_finished_stands_beside_its_files(
    tmp_path: Path, fake_gcs_server: Path
) -> None:
    root = tmp_path / "blobs"
    root.mkdir()

    async def main() -> None:
        server = FakeGcs(fake_gcs_server, root, LOG)
        async with server.running():
            environment = Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")
            assert f"TMPDIR={tmp_path}/blobs.part".encode() in environment
            (tmp_path / "blobs.part" / "half").write_bytes(b"x")  # as a kill leaves it
        async with server.running():
            assert not (tmp_path / "blobs.part" / "half").exists()

    asyncio.run(main())


def test_dies_with_the_process_that_started_it(tmp_path: Path, fake_gcs_server: Path) -> None:
    async def main() -> None:
        parent = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PARENT,
            str(fake_gcs_server),
            str(tmp_path),
            stdout=asyncio.subprocess.PIPE,
        )
        assert parent.stdout
        pid = int(await parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        async with asyncio.timeout(DEADLINE_S):
            while is_alive(pid):
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_nothing_of_our_environment_reaches_it(
    tmp_path: Path, fake_gcs_server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "x")

    async def main() -> bytes:
        server = FakeGcs(fake_gcs_server, tmp_path, LOG)
        async with server.running():
            return Path(f"/proc/{server.pid}/environ").read_bytes()

    assert b"A_SECRET" not in asyncio.run(main())


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be run: No such file"):
        asyncio.run(start(tmp_path / "none", tmp_path))


def test_a_program_that_is_another_one(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho I am no storage; exit 3\n")
    program.chmod(0o755)

    with pytest.raises(OperatorError, match="did not start: I am no storage"):
        asyncio.run(start(program, tmp_path))


def test_a_folder_that_cannot_be_written(fake_gcs_server: Path) -> None:
    with pytest.raises(OperatorError, match="Nothing can be written in /proc/self/fdinfo"):
        asyncio.run(start(fake_gcs_server, Path("/proc/self/fdinfo")))


def test_a_file_system_without_attributes(fake_gcs_server: Path) -> None:
    if not Path("/dev/shm").is_dir():  # noqa: S108 the kernel's own
        pytest.skip("there is no /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        try:
            os.setxattr(folder, "user.test", b"1")
        except OSError:
            with pytest.raises(OperatorError, match="keeps no extended attributes"):
                asyncio.run(start(fake_gcs_server, Path(folder)))
        else:
            asyncio.run(start(fake_gcs_server, Path(folder)))
