import asyncio
import subprocess
import sys
from pathlib import Path

from emulator.folder_lock import exclusive


def test_one_maker_at_a_time(tmp_path: Path) -> None:
    events: list[str] = []

    async def make(name: str) -> None:
        async with exclusive(tmp_path / "x.lock", lambda: events.append(f"{name} waits")):
            events.append(f"{name} in")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            events.append(f"{name} out")

    async def both() -> None:
        await asyncio.gather(make("a"), make("b"))

    asyncio.run(both())
    assert events == ["a in", "b waits", "a out", "b in", "b out"]


def test_inheriting_child_keeps_the_lock(tmp_path: Path) -> None:
    async def leave_a_child() -> subprocess.Popen[bytes]:
        async with exclusive(tmp_path / "x.lock") as handle:
            return subprocess.Popen(  # noqa: ASYNC220 - it does not block
                [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[handle]
            )

    async def wait_for_it(child: subprocess.Popen[bytes]) -> str:
        waited = asyncio.Event()

        async def take() -> str:
            async with exclusive(tmp_path / "x.lock", waited.set):
                return "taken"

        task = asyncio.create_task(take())
        await asyncio.wait_for(waited.wait(), 10)
        assert not task.done()
        assert child.stdin is not None
        child.stdin.close()
        return await asyncio.wait_for(task, 10)

    child = asyncio.run(leave_a_child())
    assert asyncio.run(wait_for_it(child)) == "taken"
    child.wait()
