"""Packages installed in containers, kept in a volume, imported by replicas."""

import asyncio
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.cluster import Bind
from emulator.datadir import DataDir
from emulator.errors import OperatorError
from emulator.package_index import PackageIndex
from emulator.runners.docker.files import Archive
from emulator.runners.docker.volumes import Shared, Volumes
from emulator.runtimes import Runtime
from emulator.staging import InstallationFailed, Installer, Package, Staged

if TYPE_CHECKING:
    from tests.runners.conftest import DockerBench

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

RUNTIME = Runtime(
    "2.11", "3.7", "3.7.16", "2.11.0", "probe", "/usr/local", (), image="cmle/probe:3.7"
)
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ENTRY = "[console_scripts]\n{name}-program = {name}:main\n"


def wheel(folder: Path, name: str, requires: str = "") -> Package:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"def main(): print({name!r})\n")
        archive.writestr(f"{info}/METADATA", METADATA.format(name=name, requires=requires))
        archive.writestr(f"{info}/WHEEL", WHEEL)
        archive.writestr(f"{info}/entry_points.txt", ENTRY.format(name=name))
        archive.writestr(f"{info}/RECORD", "")
    return Package(f"gs://bucket/{path.name}", path)


class Shop:
    """An installer with a wheelhouse, and what it said."""

    def __init__(self, bench: "DockerBench", links: Path) -> None:
        links.mkdir(exist_ok=True)
        data = DataDir(bench.data_dir)
        data.staged.mkdir(exist_ok=True)
        self.lines: list[str] = []
        self.volumes = Volumes(bench.engine, bench.instance, data.staged)
        runner: Any = bench.runner
        self.installer = Installer(
            runner,
            self.volumes,
            isolation="container",
            index=PackageIndex.of_wheelhouse(links),
        )

    async def install(self, *packages: Package) -> Staged:
        def report(message: str, severity: str = "INFO") -> None:
            self.lines.append(f"{severity} {message}")

        return await self.installer.install(packages, RUNTIME, report)


def volumes(bench: "DockerBench") -> list[str]:
    label = {"label": f"cmle.instance={bench.instance}"}
    return [row["Name"] for row in bench.engine.client.volumes(filters=label)["Volumes"] or ()]


def test_replicas_import_what_was_installed_once(contained: "DockerBench", tmp_path: Path) -> None:
    shop = Shop(contained, tmp_path / "links")
    wheel(tmp_path / "links", "dependency")
    package = wheel(tmp_path, "trainer", "Requires-Dist: dependency\n")
    code = """import os, subprocess, trainer, dependency
print(trainer.__file__)
subprocess.check_call(["trainer-program"])
try: open(trainer.__file__, "w")
except OSError as error: print(error.strerror)
"""

    async def work() -> list[str]:
        staged = await shop.install(package)
        again = await shop.install(package)
        assert again == staged
        seen = staged.seen("container")
        env = {
            "PYTHONPATH": contained.replica("").env["PYTHONPATH"],
            "CMLE_SITE_PACKAGES": ":".join(seen.site_packages),
            "PATH": ":".join([*seen.programs, "/usr/local/bin:/usr/bin:/bin"]),
        }
        ref = await contained.start(code, env=env, binds=seen.binds)
        found = [line.text for line in await contained.lines(ref)]
        await contained.runner.close(ref.site_id)
        return found

    lines = contained.run(work())
    assert lines == [
        "/root/.local/lib/python3.7/site-packages/trainer.py",
        "trainer",
        "Read-only file system",
    ]
    assert any("Already installed" in line for line in shop.lines)
    assert sum("Running command: pip3 install" in line for line in shop.lines) == 2
    (first,) = volumes(contained)
    (record,) = shop.volumes.locks.glob("*.volume")
    key = record.stem
    record.unlink()

    async def unrecorded() -> None:
        async with shop.volumes.making(key):  # waits for the containers that go
            assert first not in volumes(contained)

    contained.run(unrecorded())
    assert volumes(contained) == []


def test_a_failed_installation_leaves_nothing(contained: "DockerBench", tmp_path: Path) -> None:
    shop = Shop(contained, tmp_path / "links")
    package = wheel(tmp_path, "trainer", "Requires-Dist: nowhere\n")
    with pytest.raises(InstallationFailed, match="returned non-zero exit status 1"):
        contained.run(shop.install(package))
    assert any("No matching distribution found for nowhere" in line for line in shop.lines)
    assert volumes(contained) == []
    assert [path for path in shop.volumes.locks.iterdir() if path.suffix != ".lock"] == []


def test_what_was_never_finished_goes(contained: "DockerBench") -> None:
    shop = Shop(contained, contained.data_dir / "links")

    async def work() -> None:
        async with shop.volumes.making("k" * 32) as making:
            assert making.root == f"volume:{volumes(contained)[0]}"
            kept = await making.keep()
        assert await shop.volumes.find("k" * 32) == kept
        (shop.volumes.locks / f"{'k' * 32}.volume").unlink()  # as of an emulator that was killed
        assert await shop.volumes.find("k" * 32) == ""
        async with shop.volumes.making("k" * 32) as again:
            assert volumes(contained) == [again.root.removeprefix("volume:")]

    contained.run(work())
    assert volumes(contained) == []


def test_a_volume_that_somebody_removed_is_made_again(contained: "DockerBench") -> None:
    shop = Shop(contained, contained.data_dir / "links")

    async def work() -> None:
        async with shop.volumes.making("k" * 32) as making:
            await making.keep()
        await asyncio.to_thread(contained.engine.client.remove_volume, volumes(contained)[0])
        assert await shop.volumes.find("k" * 32) == ""

    contained.run(work())


# -- what is the same in many containers


def content(text: str) -> Callable[[Archive], None]:
    return lambda archive: archive.content("/x/file", text.encode())


def test_the_same_content_is_in_one_volume(contained: "DockerBench") -> None:
    shared = Shared(contained.engine, contained.instance, contained.data_dir / "staged")

    async def work() -> list[str]:
        same = await asyncio.gather(
            *(shared.bind("/x", RUNTIME.image, content("a")) for _ in range(3))
        )
        other = await shared.bind("/x", RUNTIME.image, content("b"))
        assert len({bind.source for bind in (*same, other)}) == 2
        code = "print(open('/x/file').read(), open('/y/file').read())"
        binds = (same[0], Bind(other.source, "/y"))
        return [
            line.text for line in await contained.lines(await contained.start(code, binds=binds))
        ]

    assert contained.run(work()) == ["a b"]
    assert len(volumes(contained)) == 2


def test_what_a_killed_emulator_was_filling_is_filled_again(contained: "DockerBench") -> None:
    folder = contained.data_dir / "staged"
    shared = Shared(contained.engine, contained.instance, folder)

    async def work() -> None:
        bind = await shared.bind("/x", RUNTIME.image, content("a"))
        (record,) = folder.glob("*.volume")
        record.unlink()
        volume = bind.source.removeprefix("volume:")
        name = f"cmle-{contained.instance}-fill-{record.stem[:12]}"
        mounts = [{"Type": "volume", "Source": volume, "Target": "/x"}]
        described = {"Image": RUNTIME.image, "HostConfig": {"Mounts": mounts}}
        await contained.engine.call(lambda it: it.create_container_from_config(described, name))
        again = await shared.bind("/x", RUNTIME.image, content("a"))
        assert volumes(contained) == [again.source.removeprefix("volume:")]
        assert again != bind

    contained.run(work())


def test_what_cannot_be_filled_leaves_nothing(contained: "DockerBench") -> None:
    shared = Shared(contained.engine, contained.instance, contained.data_dir / "staged")

    async def work() -> None:
        with pytest.raises(OperatorError, match="Docker Engine refused"):
            await shared.bind("/bin/sh", RUNTIME.image, content("a"))

    contained.run(work())
    assert volumes(contained) == []
    ours = {"name": f"cmle-{contained.instance}-fill-"}
    assert contained.engine.client.containers(all=True, filters=ours) == []
