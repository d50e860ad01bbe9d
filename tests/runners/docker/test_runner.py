"""What only containers have: adoption by name, and nothing that is left."""

import asyncio
import signal
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from emulator.cluster import Exit, Line, Network, Ref, SiteSpec
from emulator.errors import OperatorError
from emulator.identity import Identity, Kind

if TYPE_CHECKING:
    from tests.runners.conftest import DockerBench

pytestmark = pytest.mark.docker

JOB = Network(Identity(Kind.JOB, "p", "job1"))
COUNT = """
import time, pathlib
number = 0
while not pathlib.Path("enough").exists():
    print(number)
    number += 1
    time.sleep(0.01)
"""
SLEEP = "import time\nprint('up')\ntime.sleep(600)"


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def leftovers(bench: "DockerBench") -> dict[str, list[str]]:
    label = {"label": f"cmle.instance={bench.instance}"}
    client = bench.engine.client
    return {
        "containers": [row["Names"][0] for row in client.containers(all=True, filters=label)],
        "networks": [row["Name"] for row in client.networks(filters=label)],
        "volumes": [row["Name"] for row in client.volumes(filters=label)["Volumes"] or ()],
    }


# -- what outlives the emulator


def test_a_killed_emulator_is_survived(contained: "DockerBench", tmp_path: Path) -> None:
    """Its replicas go on, and another one adopts them with no gap in the lines."""
    replica = contained.replica(COUNT, network=JOB)
    script = f"""
        import asyncio, os, signal
        from pathlib import Path
        from emulator.cluster import SiteSpec, Replica, decode
        from emulator.runners.docker.engine import Engine
        from emulator.runners.docker.runner import DockerRunner
        async def image(_):
            return {replica.image!r}
        async def main():
            data_dir = Path({str(contained.data_dir)!r})
            runner = DockerRunner(Engine.connect(), data_dir, {contained.instance!r}, image=image)
            site = await runner.open(SiteSpec("site"))
            replica = decode(Path({str(tmp_path / "replica")!r}).read_bytes(), Replica)
            ref = await site.start(replica)
            async for line in runner.follow(ref, 0):
                if line.seq == 10:
                    os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """
    (tmp_path / "replica").write_bytes(msgspec.json.encode(replica))
    ref = Ref("docker", "site", replica.name, replica.task)

    async def work() -> tuple[list[Line], Exit]:
        emulator = await asyncio.create_subprocess_exec(
            sys.executable, "-c", textwrap.dedent(script)
        )
        assert await emulator.wait() == -signal.SIGKILL
        async with contained.gateway() as gateway:
            site = await contained.runner.open(SiteSpec("site"))
            await contained.until(lambda: gateway.networks == [JOB], "the way to the gateway")
            await contained.until_line(ref, "40")
            await contained.touch(ref, "enough")
            with pytest.raises(OperatorError, match="started already"):
                await site.start(replica)
            return await contained.lines(ref), await contained.runner.wait(ref)

    lines, end = contained.run(work())
    assert end.succeeded
    assert [int(line.text) for line in lines] == list(range(len(lines)))
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))


def test_sweep_removes_what_nobody_knows(contained: "DockerBench") -> None:
    async def work() -> None:
        known = await contained.start(SLEEP, "known")
        stray = await contained.start(SLEEP, "stray", network=JOB)
        assert await contained.runner.sweep({"known"}) == ["stray"]
        assert (await contained.runner.wait(stray)).reason == "lost"
        await contained.until_line(known, "up")

    contained.run(work())
    assert [name for name in leftovers(contained)["containers"] if "stray" in name] == []


def test_nothing_is_left(contained: "DockerBench") -> None:
    async def work() -> None:
        await contained.start(SLEEP, network=JOB)
        await contained.runner.stop_all(0.0)

    contained.run(work())
    assert leftovers(contained) == {"containers": [], "networks": [], "volumes": []}


def test_lines_and_ends_stay_readable(contained: "DockerBench") -> None:
    async def work() -> tuple[list[Line], Exit]:
        ref = await contained.start("print('a'); print('b', end=''); raise SystemExit(3)")
        await contained.runner.wait(ref)
        await contained.runner.close("site")
        return await contained.lines(ref, 1), await contained.another_runner().wait(ref)

    lines, end = contained.run(work())
    assert (texts(lines), end.code) == (["b"], 3)


def test_a_start_that_is_cancelled_leaves_nothing(contained: "DockerBench") -> None:
    async def work() -> None:
        await contained.runner.open(SiteSpec("site"))
        for delay in (0.0, 0.1, 0.3):
            starting = asyncio.create_task(contained.start(SLEEP, name=f"m-{delay}", network=JOB))
            await asyncio.sleep(delay)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        await contained.runner.close("site")

    contained.run(work())
    assert all("-m-" not in name for name in leftovers(contained)["containers"])


# -- what it writes


def test_what_writes_too_much_is_ended(
    contained: "DockerBench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.runners.docker.runner.SIZES_S", 0.2)
    code = "import time\nopen('large', 'wb').write(b'x' * (20 << 20))\ntime.sleep(600)"
    _, end = contained.outcome(code, disk_bytes=10 << 20)
    assert (end.code, end.signal) == (1, None)
    assert "more than the 10 MiB that it may" in end.traceback


def test_its_abilities_are_the_engines(contained: "DockerBench") -> None:
    abilities = contained.runner.abilities
    assert abilities.images
    assert abilities.cpus == contained.engine.info["NCPU"]
    assert abilities.memory_bytes > 1 << 28
