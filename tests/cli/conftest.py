"""The command line in this process, on the data directory of a server that only keeps things."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from emulator.cli import main
from emulator.datadir import DataDir, Endpoint

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


Cmle = Callable[..., Result]


@pytest.fixture
def data_dir(
    served: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A data directory that another process owns, with the card of ``served``."""
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("CMLE_DATA_DIR", str(folder))
    command = [sys.executable, "-c", HOLD, str(folder / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        card = Endpoint(
            pid=owner.pid,
            port=urlsplit(served).port or 0,
            url=served,
            project="p",
            ca_path=str(folder / "ca.pem"),
            bundle_path=str(folder / "bundle.pem"),
            gateway_pid=owner.pid,
            started=time.time(),
            runner="process",
            isolation="none",
        )
        DataDir(folder).publish(card)
        yield folder
        owner.communicate()


@pytest.fixture
def cmle(capsys: pytest.CaptureFixture[str]) -> Cmle:
    """Runs one command; answers its exit code, output and errors."""

    def run(*arguments: str | Path) -> Result:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, captured.out, captured.err)

    return run
