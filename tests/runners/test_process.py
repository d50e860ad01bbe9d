"""The contract of a runner: ``anywhere`` in each of them, ``bench`` as processes at each level."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from emulator.cluster import Exit, Line, Ref, SiteSpec
from emulator.errors import OperatorError
from emulator.runners.process import remove_folder

if TYPE_CHECKING:
    from tests.runners.conftest import Bench

COUNT = """
import time, pathlib
number = 0
while not pathlib.Path("enough").exists():
    print(number)
    number += 1
    time.sleep(0.002)
"""
SLEEP = "import time\nprint('up')\ntime.sleep(600)"


def numbers(lines: list[Line]) -> list[int]:
    return [int(line.text) for line in lines]


@pytest.mark.parametrize("code", [0, 3, 255])
def test_answers_the_exit_code(anywhere: "Bench", code: int) -> None:
    lines, end = anywhere.outcome(f"raise SystemExit({code})")
    assert lines == []
    assert (end.reason, end.code, end.signal, end.message) == ("exited", code, None, "")
    assert end.succeeded == (code == 0)
    assert 0 < end.started <= end.ended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL])
def test_answers_the_signal(anywhere: "Bench", number: signal.Signals) -> None:
    _, end = anywhere.outcome(f"import os; os.kill(os.getpid(), {int(number)})")
    assert (end.reason, end.code, end.signal) == ("exited", None, number)


def test_keeps_the_last_traceback(anywhere: "Bench") -> None:
    lines, end = anywhere.outcome("def f():\n    1 / 0\nf()")
    assert end.code == 1
    assert end.traceback.endswith("ZeroDivisionError: division by zero")
    assert [(line.stream, line.level, line.text) for line in lines] == [
        ("log", "ERROR", end.traceback)
    ]


def test_lines_come_in_order_and_numbered(anywhere: "Bench") -> None:
    lines, _ = anywhere.outcome("import sys\nfor n in range(5): print(n)")
    assert numbers(lines) == [0, 1, 2, 3, 4]
    assert [line.seq for line in lines] == [1, 2, 3, 4, 5]
    assert {line.stream for line in lines} == {"stdout"}


def test_tells_streams_apart(anywhere: "Bench") -> None:
    code = "import logging, sys; sys.stderr.write('e\\n'); print('o'); logging.warning('l %d', 1)"
    lines, _ = anywhere.outcome(code)
    assert {(line.stream, line.text, line.level) for line in lines} == {
        ("stderr", "e", ""),
        ("stdout", "o", ""),
        ("log", "l 1", "WARNING"),
    }


def test_loses_no_line_of_a_fast_writer(anywhere: "Bench") -> None:
    code = f"import sys; sys.stdout.write(''.join('%d\\n' % n for n in range({anywhere.many})))"
    lines, end = anywhere.outcome(code)
    assert end.succeeded
    assert numbers(lines) == list(range(anywhere.many))


def test_follows_from_a_line_on(anywhere: "Bench") -> None:
    many = anywhere.many

    async def work() -> tuple[list[Line], list[Line]]:
        ref = await anywhere.start(
            f"import sys\nsys.stdout.write(''.join('%d\\n' % n for n in range({many})))"
        )
        return await anywhere.lines(ref, 1), await anywhere.lines(ref, many - 10)

    most, last = anywhere.run(work())
    assert numbers(most) == list(range(1, many))
    assert numbers(last) == list(range(many - 10, many))


def test_lines_arrive_while_it_runs(anywhere: "Bench") -> None:
    async def work() -> Exit:
        ref = await anywhere.start(COUNT)
        await anywhere.until_line(ref, "3")
        await anywhere.touch(ref, "enough")
        return await anywhere.runner.wait(ref)

    assert anywhere.run(work()).succeeded


def test_gets_exactly_its_environment(bench: "Bench", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOST", "1")
    code = "import os\nfor name in sorted(os.environ): print(name)"
    lines, _ = bench.outcome(code, env={"A": "ä", "LC_ALL": "C.UTF-8"})
    temporary = ["TMPDIR"] if bench.isolation == "none" else []  # in namespaces /tmp is its own
    expected = ["A", "CMLE_LOG_FD", "CMLE_LOG_INODE", "LC_ALL", *temporary]
    assert [line.text for line in lines] == expected


def test_runs_in_its_working_directory(bench: "Bench") -> None:
    work = bench.data_dir / "somewhere" / "user_dir"
    code = "import os; print(os.getcwd()); open('made', 'w').close(); print(oct(os.umask(0)))"
    lines, _ = bench.outcome(code, work_dir=str(work))
    assert [line.text for line in lines] == [str(work), "0o22"]
    assert (work / "made").exists()


def test_stop_lets_it_finish(anywhere: "Bench") -> None:
    code = """
        import signal, sys, time
        def bye(*_):
            print("bye")
            sys.exit(0)
        signal.signal(signal.SIGTERM, bye)
        print("up")
        time.sleep(600)
    """

    async def work() -> tuple[list[Line], Exit]:
        ref = await anywhere.start(textwrap.dedent(code))
        await anywhere.until_line(ref, "up")
        await anywhere.runner.stop([ref], 30)
        return await anywhere.lines(ref), await anywhere.runner.wait(ref)

    lines, end = anywhere.run(work())
    assert [line.text for line in lines] == ["up", "bye"]
    assert (end.reason, end.code) == ("stopped", 0)


def test_stop_kills_after_the_grace(anywhere: "Bench") -> None:
    async def work() -> Exit:
        code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SLEEP}"
        ref = await anywhere.start(code)
        await anywhere.until_line(ref, "up")
        await anywhere.runner.stop([ref], 0.2)
        return await anywhere.runner.wait(ref)

    end = anywhere.run(work())
    assert (end.reason, end.signal) == ("stopped", signal.SIGKILL)


def test_stop_of_an_ended_one_changes_nothing(anywhere: "Bench") -> None:
    async def work() -> Exit:
        ref = await anywhere.start("")
        before = await anywhere.runner.wait(ref)
        await anywhere.runner.stop([ref, ref], 1)
        assert await anywhere.runner.wait(ref) == before
        return before

    assert anywhere.run(work()).reason == "exited"


def test_daemons_end_with_it(anywhere: "Bench") -> None:
    code = """
        import os, subprocess, sys
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv("/bin/sleep", ["sleep", "612.5"])
            os._exit(0)
        os.wait()
        subprocess.Popen(["/bin/sleep", "612.5"], start_new_session=True)
    """
    _, end = anywhere.outcome(textwrap.dedent(code))
    assert end.succeeded
    assert running("612.5") == []


def test_a_program_that_is_not_there(anywhere: "Bench") -> None:
    _, end = anywhere.outcome("", argv=("/no/such/python",))
    assert end.reason == "failed_to_start"
    assert "/no/such/python cannot be run" in end.message


def test_a_name_is_started_once(anywhere: "Bench") -> None:
    async def work() -> None:
        await anywhere.start("")
        with pytest.raises(OperatorError, match="started already"):
            await anywhere.start("")

    anywhere.run(work())


def test_what_was_never_started_is_lost(anywhere: "Bench") -> None:
    async def work() -> Exit:
        await anywhere.runner.open(SiteSpec("site"))
        return await anywhere.runner.wait(Ref("process", "site", "nobody", "t"))

    assert anywhere.run(work()).reason == "lost"
    nowhere = Ref("process", "no-site", "nobody", "t")
    assert anywhere.run(anywhere.runner.wait(nowhere)).reason == "lost"
    assert anywhere.run(anywhere.lines(nowhere)) == []


def test_replicas_end_with_their_supervisor(bench: "Bench") -> None:
    async def work() -> tuple[Exit, int]:
        ref = await bench.start(SLEEP.replace("600", "613.5"))
        await bench.until_line(ref, "up")
        pid = (await bench.runner.ask("site", {"status": True}))["replicas"]["master-0"]["pid"]
        os.kill(await bench.supervisor_pid(), signal.SIGKILL)
        end = await bench.runner.wait(ref)
        await bench.until(lambda: not Path(f"/proc/{pid}").exists(), "the replica's end")
        return end, pid

    assert bench.run(work())[0].reason == "lost"


def test_a_killed_emulator_is_survived(bench: "Bench", tmp_path: Path) -> None:
    """Its replicas go on, and another one adopts them with no gap in the lines."""
    replica = bench.replica(COUNT)
    script = f"""
        import asyncio, os, signal
        from pathlib import Path
        from emulator.cluster import SiteSpec, Replica, decode
        from emulator.runners.process import ProcessRunner
        async def main():
            runner = ProcessRunner(Path({str(bench.data_dir)!r}), {bench.instance!r})
            site = await runner.open(SiteSpec("site"))
            replica = decode(Path({str(tmp_path / "replica")!r}).read_bytes(), Replica)
            ref = await site.start(replica)
            async for line in runner.follow(ref, 0):
                if line.seq == 10:
                    os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """
    (tmp_path / "replica").write_bytes(msgspec.json.encode(replica))
    ref = Ref("process", "site", replica.name, replica.task)

    async def work() -> tuple[list[Line], Exit]:
        emulator = await asyncio.create_subprocess_exec(
            sys.executable, "-c", textwrap.dedent(script)
        )
        assert await emulator.wait() == -signal.SIGKILL
        site = await bench.runner.open(SiteSpec("site"))
        await bench.until_line(ref, "40")
        (bench.data_dir / "work" / "enough").touch()
        with pytest.raises(OperatorError, match="started already"):
            await site.start(replica)
        return await bench.lines(ref), await bench.another_runner().wait(ref)

    lines, end = bench.run(work())
    assert end.succeeded
    assert numbers(lines) == list(range(len(lines)))
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))


def test_an_abandoned_site_ends_by_itself(bench: "Bench") -> None:
    async def work() -> tuple[Exit, int]:
        ref = await bench.start(SLEEP.replace("600", "614.5"), grace_s=1.0)
        await bench.until_line(ref, "up")
        pid = await bench.supervisor_pid()
        waiting = bench.runner.wait(ref)
        bench.let_go()
        end = await waiting
        await bench.until(lambda: not Path(f"/proc/{pid}").exists(), "the supervisor's end")
        return end, pid

    end, _ = bench.run(work())
    assert (end.reason, end.signal) == ("abandoned", signal.SIGTERM)
    assert running("614.5") == []
    assert running(str(bench.data_dir)) == []
    assert str(bench.data_dir) not in Path("/proc/self/mountinfo").read_text()
    assert bench.instance not in Path("/proc/net/unix").read_text()


def test_a_new_emulator_within_the_grace_keeps_it(bench: "Bench") -> None:
    async def work() -> Exit:
        ref = await bench.start(COUNT, grace_s=2.0)
        await bench.until_line(ref, "1")
        bench.let_go()
        await bench.until_line(ref, "100")
        bench.hold()
        await bench.until_line(ref, "1500")  # at 2 ms each: longer than the grace
        (bench.data_dir / "work" / "enough").touch()
        return await bench.runner.wait(ref)

    assert bench.run(work()).reason == "exited"


def test_close_ends_what_runs_and_keeps_the_end(anywhere: "Bench") -> None:
    async def work() -> Exit:
        ref = await anywhere.start(SLEEP)
        await anywhere.runner.close("site")
        await anywhere.runner.close("site")
        await anywhere.runner.close("never-there")
        return await anywhere.runner.wait(ref)

    assert anywhere.run(work()).reason == "stopped"


def test_sweep_removes_what_nobody_knows(bench: "Bench") -> None:
    async def work() -> list[str]:
        known = await bench.start(SLEEP, "known")
        stray = await bench.start(SLEEP, "x" * 120)
        removed = await bench.runner.sweep({"known"})
        assert (await bench.runner.wait(stray)).reason == "lost"
        assert (await bench.runner.ask("known", {"status": True}))["replicas"]
        await bench.runner.stop([known], 0)
        return removed

    assert bench.run(work()) == ["x" * 120]
    assert [folder.name for folder in (bench.data_dir / "sites").iterdir()] == ["known"]


def test_stop_all_ends_every_site(anywhere: "Bench") -> None:
    async def work() -> list[Exit]:
        refs = [await anywhere.start(SLEEP, site_id) for site_id in ("a", "b")]
        await anywhere.runner.stop_all()
        return [await anywhere.runner.wait(ref) for ref in refs]

    assert [end.reason for end in anywhere.run(work())] == ["stopped", "stopped"]


def test_a_folder_in_the_way_is_said(bench: "Bench") -> None:
    (bench.data_dir / "sites").mkdir()
    (bench.data_dir / "sites" / "site").touch()
    with pytest.raises(OperatorError, match="could not be made"):
        bench.run(bench.start(""))


def running(text: str) -> list[str]:
    """Command lines of this machine that hold ``text``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if re.search(re.escape(text), line):
                found.append(line)
    return found


def test_removing_a_folder_leaves_the_one_above_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    shut = tmp_path / "made" / "shut"
    shut.mkdir(parents=True)
    (shut / "file").touch()
    shut.chmod(0o500)
    remove_folder(tmp_path / "made")
    assert list(tmp_path.iterdir()) == []
    remove_folder(tmp_path / "made")  # it is not there: that fails, too
    assert tmp_path.stat().st_mode & 0o777 == 0o755
