"""Where replicas run: from settings to a runner, and the runtimes and packages that suit it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from emulator import isolation
from emulator.cluster import Isolation
from emulator.datadir import DataDir
from emulator.errors import OperatorError
from emulator.kept import Kept
from emulator.package_index import PackageIndex
from emulator.preparation import RuntimeSource
from emulator.runners import Runner
from emulator.runners.process import ProcessRunner
from emulator.runtimes import Policy, Runtimes
from emulator.staging import Folders, Installer

if TYPE_CHECKING:
    from emulator.images import Images
    from emulator.runners.docker.engine import Engine

Setting = Literal["auto", "process", "docker"]
NO_SDK: Final = (
    "The Docker runner needs the Python package `docker`: pip install 'cmle[docker]'. Or serve "
    "with --runner process."
)
RELAY_IMAGES: Final = ("cmle/emulator", "cmle/base", "cmle/runtime", "cmle/probe")
RELAY_RUNTIME: Final = ("2.11", "3.7")


class OwnRunner(Runner, Protocol):
    """A runner whose process this is."""

    async def stop_all(self, grace_s: float = ...) -> None: ...

    async def let_go(self) -> None: ...


class Wanted(msgspec.Struct, frozen=True):
    """What was asked for on the command line, as far as it is about where things run."""

    runner: Setting
    isolation: isolation.Setting
    policy: Policy
    cache_dir: Path
    grace_s: float
    allow_hosts: tuple[str, ...] = ()
    base_image: str = ""
    gpus: int | None = None
    regions: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """A runner and what goes with it; ``of_clusters`` as in ``Grounds``."""

    runner: OwnRunner
    isolation: Isolation
    of_clusters: Callable[[], Isolation]
    runtimes: RuntimeSource
    installer: Installer


async def choose(
    wanted: Wanted,
    data: DataDir,
    index: PackageIndex,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> Place:
    """The place that was asked for; with "auto" a Docker Engine where one answers.

    Raises OperatorError where it cannot be had.
    """
    if wanted.runner != "process":
        try:
            engine = await asyncio.to_thread(_connect, environment.get("DOCKER_HOST", ""))
            return await _docker(engine, wanted, data, index, environment)
        except OperatorError as error:
            if wanted.runner == "docker":
                raise
            say(f"Jobs run as processes of this machine. {error}")
    return _process(wanted, data, index, environment)


def _process(
    wanted: Wanted, data: DataDir, index: PackageIndex, environment: Mapping[str, str]
) -> Place:
    level = isolation.choose(wanted.isolation)
    runner = ProcessRunner(data.root, data.instance, grace_s=wanted.grace_s, regions=wanted.regions)
    runtimes = Runtimes(
        wanted.cache_dir, index=index, environment=environment, policy=wanted.policy
    )
    installer = Installer(
        runner,
        Folders(data.staged, Kept(wanted.cache_dir / "installed")),
        isolation=level,
        index=index,
        allow_hosts=wanted.allow_hosts,
    )

    def of_clusters() -> Isolation:
        # Who requires a level has its clusters refused by the kernel's own words.
        wants_best = wanted.isolation == "auto"
        return isolation.choose("auto", cluster=True) if wants_best else level

    return Place(runner, level, of_clusters, runtimes, installer)


def _connect(address: str) -> "Engine":
    try:
        from emulator.runners.docker.engine import Engine  # noqa: PLC0415 an extra
    except ImportError as error:
        raise OperatorError(NO_SDK) from error
    return Engine.connect(address)


async def _docker(
    engine: "Engine",
    wanted: Wanted,
    data: DataDir,
    index: PackageIndex,
    environment: Mapping[str, str],
) -> Place:
    from emulator.images import Images  # noqa: PLC0415 an extra
    from emulator.runners.docker import gpus, warden  # noqa: PLC0415
    from emulator.runners.docker.runner import DockerRunner  # noqa: PLC0415
    from emulator.runners.docker.volumes import Volumes  # noqa: PLC0415

    images = Images(
        wanted.cache_dir, index=index, environment=environment, base_image=wanted.base_image
    )
    await warden.start(data, environment.get("DOCKER_HOST", ""), wanted.grace_s)
    image = _relay_image(engine, images)
    found = wanted.gpus
    if found is None:
        found = await gpus.count(engine, data.instance, await image(False))  # noqa: FBT003
    runner = DockerRunner(
        engine, data.root, data.instance, image=image, gpus=found, regions=wanted.regions
    )
    installer = Installer(
        runner,
        Volumes(engine, data.instance, data.staged),
        isolation="container",
        index=index,
        allow_hosts=wanted.allow_hosts,
    )
    return Place(runner, "container", lambda: "container", images, installer)


class Seen(msgspec.Struct, frozen=True):
    """What `cmle doctor` says of the engine. ``open_because``: why jobs reach its machine."""

    text: str
    has_gpus: bool
    open_because: str


def look(environment: Mapping[str, str]) -> Seen:
    """Look at the engine; OperatorError if there is none."""
    engine = _connect(environment.get("DOCKER_HOST", ""))
    from emulator.runners.docker import gpus, networks  # noqa: PLC0415 an extra
    from emulator.runners.docker.firewall import Firewall  # noqa: PLC0415

    async def why_open() -> str:
        found = await engine.call(lambda client: client.networks())
        image = await _image_with_python(engine)
        here = networks.is_local(found)
        return await Firewall(engine, "doctor", image=image, is_here=here).why_not()

    try:
        info = engine.info
        memory = int(info.get("MemTotal") or 0) / (1 << 30)
        text = f"{info.get('ServerVersion')}, {info.get('NCPU')} CPUs, {memory:.0f} GiB"
        return Seen(text, gpus.is_possible(engine), asyncio.run(why_open()))
    finally:
        engine.close()


async def _image_with_python(engine: "Engine") -> str:
    """The first of the images of ours that are there; empty if there is none."""
    found = await engine.call(
        lambda client: client.images(filters={"reference": list(RELAY_IMAGES)})
    )
    named = [
        (RELAY_IMAGES.index(name.partition(":")[0]), row["Size"], name)
        for row in found
        for name in row["RepoTags"] or ()
        if name.partition(":")[0] in RELAY_IMAGES
    ]
    return str(min(named)[2]) if named else ""


def _relay_image(engine: "Engine", images: "Images") -> Callable[[bool], Awaitable[str]]:
    """The relay runs in any image with a Python: one that is there, else a runtime's.

    The emulator's own is the best: it has iptables, which closes the engine's machine to jobs.
    """

    async def image(may_build: bool) -> str:  # noqa: FBT001 one question
        found = await _image_with_python(engine)
        return found if found or not may_build else (await images.ensure(*RELAY_RUNTIME)).image

    return image
