"""Nothing that a replica in namespaces tries gets it out of them, whoever runs the emulator."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.isolation import probe_cluster
from emulator.runners.process import remove_folder
from emulator.shipped import SHIMS

NOBODY = 65534
DEADLINE_S = 110.0
HERE = Path(__file__).parent
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# What an attempt of each kind is called, so that none goes missing without a word.
KINDS = {
    "connect: the host": 4,
    "connect: another site": 2,
    "connect: outside": 4,
    "connect: neighbour": 5,
    "unix socket": 6,
    "abstract socket": 4,
    "read": 8,
    "write": 12,
    "create": 4,
    "signal process": 2,
    "trace process": 3,
    "see other processes": 1,
    "variable": 1,
    "metadata of the host": 1,
    "packet socket": 1,
    "raw socket": 1,
    "take the network down": 1,
    "forge a neighbour": 1,
    "mount": 2,
    "remount": 2,
    "uncover": 1,
    "join ": 3,
    "in a user namespace of its own": 9,
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, and readable by every user."""
    folder = Path(tempfile.mkdtemp(prefix="cmle-test-"))
    folder.chmod(0o755)
    yield folder
    remove_folder(folder)


def try_all(folder: Path, python: str, prefix: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    shutil.copytree(SHIMS, folder / "shims", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("escape_attempts.py", "escape_driver.py"):
        shutil.copy(HERE / name, folder)
    home = folder / "home"
    home.mkdir()
    if prefix:
        os.chown(home, NOBODY, NOBODY)
    driver, attempts = folder / "escape_driver.py", folder / "escape_attempts.py"
    done = subprocess.run(
        [*prefix, python, driver, home, folder / "shims", attempts],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "OF_THE_HOST": "secret"},
        timeout=DEADLINE_S,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def judge(rows: list[dict[str, Any]]) -> None:
    *attempts, seen = rows
    assert [row for row in attempts if row["escaped"]] == []
    assert seen["reached"] == []
    assert seen["victim"] == ["up"]
    assert (seen["end"]["reason"], seen["end"]["code"]) == ("exited", 0)
    for kind, fewest in KINDS.items():
        found = [row for row in attempts if row["attempt"].startswith(kind)]
        assert len(found) >= fewest, kind


def test_there_is_no_way_out() -> None:
    """As whoever runs the tests."""
    if probe_cluster().isolation == "none":
        pytest.skip(f"no namespaces here: {probe_cluster().reason}")
    folder = Path(tempfile.mkdtemp(prefix="cmle-test-"))
    try:
        judge(try_all(folder, sys.executable))
    finally:
        remove_folder(folder)


def test_there_is_none_from_an_ordinary_users_either(folder: Path, nobodys_python: str) -> None:
    python = nobodys_python
    problem = subprocess.run(
        [*AS_NOBODY, python, "-I", "-S", copied(folder) / "network.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if problem.stdout.strip():
        pytest.skip(f"no networks for ordinary users here: {problem.stdout.strip()}")
    judge(try_all(folder / "again", python, AS_NOBODY))


def test_attempts_are_seen_to_succeed(folder: Path) -> None:
    """The same program where nothing keeps it from what it is told of."""
    secret = folder / "secret"
    secret.write_text("secret")
    config = {
        "read": [str(secret)],
        "write": [str(secret)],
        "create": [str(folder / "new")],
        "pids": [os.getpid()],
        "variables": ["OF_THE_HOST"],
        "powers": False,
    }
    found = escaped(sys.executable, HERE / "escape_attempts.py", json.dumps(config))
    signalled = f"signal process {os.getpid()}"
    expected = {f"read {secret}", f"write {secret}", f"create {folder / 'new'}", signalled}
    assert expected | {"variable OF_THE_HOST"} <= found


def test_powers_are_seen_where_they_are_had() -> None:
    """With all of them, over namespaces of its own: of this machine nothing is touched."""
    if probe_cluster().isolation == "none":
        pytest.skip(f"no namespaces here: {probe_cluster().reason}")
    code = f"""
import os, runpy, sys
sys.path.insert(0, {str(SHIMS / "supervision")!r})
import kernel
uid, gid = os.geteuid(), os.getegid()
kernel.unshare(kernel.CLONE_NEWUSER)
kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS)
kernel.map_user(0, 0, uid, gid)
kernel.loopback_up(metadata=False)
del sys.argv[1:]
runpy.run_path({str(HERE / "escape_attempts.py")!r}, run_name="__main__")
"""
    expected = {
        "capabilities",
        "gain privileges by exec",
        "packet socket (sniff, spoof ARP)",
        "raw socket",
        "take the network down",
        "forge a neighbour's address",
        "mount",
        "chroot",
        "rename the machine",
    }
    assert expected <= escaped(sys.executable, "-c", code)


def escaped(*command: str | Path) -> set[str]:
    """The attempts that succeeded."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "OF_THE_HOST": "secret"},
        timeout=DEADLINE_S,
    )
    rows = map(json.loads, done.stdout.splitlines())
    return {row["attempt"] for row in rows if row["escaped"]}


def copied(folder: Path) -> Path:
    shims = folder / "probe"
    shutil.copytree(SHIMS / "supervision", shims, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "again").mkdir()
    return shims
