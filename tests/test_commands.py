import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from emulator.commands import run

FOREVER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_lines_arrive_in_order(tmp_path: Path) -> None:
    lines: list[str] = []
    program = "import sys; print('a'); print(); sys.stdout.flush(); print('b', file=sys.stderr)"
    outcome = asyncio.run(
        run([sys.executable, "-c", program], env={}, cwd=tmp_path, on_line=lines.append)
    )
    assert (lines, outcome.status, outcome.text) == (["a", "b"], 0, "a\nb")


def test_status_and_signal_are_answered(tmp_path: Path) -> None:
    programs = ("raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)")
    outcomes = [
        asyncio.run(run([sys.executable, "-c", program], env={}, cwd=tmp_path))
        for program in programs
    ]
    assert [outcome.status for outcome in outcomes] == [3, -9]


def test_only_the_given_environment_is_seen(tmp_path: Path) -> None:
    program = "import os; print(os.environ.get('HOME'), os.environ['A'])"
    outcome = asyncio.run(run([sys.executable, "-c", program], env={"A": "1"}, cwd=tmp_path))
    assert outcome.tail == ("None 1",)


def test_cancelling_ends_the_command_and_its_children(tmp_path: Path) -> None:
    pids: list[int] = []

    async def start_and_cancel() -> None:
        program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {FOREVER!r}])"
        argv = [sys.executable, "-c", program]
        task = asyncio.create_task(
            run(argv, env={}, cwd=tmp_path, on_line=lambda line: pids.append(int(line)))
        )
        deadline = time.monotonic() + 20
        while not pids:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(start_and_cancel())
    until(lambda: is_gone(pids[0]))


def test_missing_program_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(run([str(tmp_path / "none")], env={}, cwd=tmp_path))


def test_long_output_keeps_its_end(tmp_path: Path) -> None:
    program = "print('\\n'.join(map(str, range(1000))))"
    outcome = asyncio.run(run([sys.executable, "-c", program], env=dict(os.environ), cwd=tmp_path))
    assert outcome.tail[-1] == "999"
    assert len(outcome.tail) == 40
