"""The composition root: settings in, a running emulator out."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec
import uvicorn

from emulator import catalog, engines
from emulator.accelerators import Policy as GpuPolicy
from emulator.admission import Admission
from emulator.api import application
from emulator.api.services import Services
from emulator.datadir import DataDir, Endpoint
from emulator.environment import before
from emulator.fault_plan import FaultPlan
from emulator.gateway.keeper import Keeper, gateway_arguments
from emulator.grounds import Grounds, Terms
from emulator.identity import Identity, Kind
from emulator.jobs import Jobs
from emulator.ledger import Ledger
from emulator.limits import Policy as LimitPolicy
from emulator.logs import Logs
from emulator.models import Models
from emulator.objects import Objects
from emulator.online import Online
from emulator.operations import Operations
from emulator.package_index import PackageIndex
from emulator.plan import plan
from emulator.policies import Policies
from emulator.prediction import Predictions
from emulator.preparation import Preparation
from emulator.projects import Projects
from emulator.rollout import Rollout
from emulator.storage.binary import find_or_obtain
from emulator.store import Store
from emulator.timelines import Timelines

DEFAULT_PORT: Final = 8787
DEFAULT_PROJECT: Final = "cmle-project"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be chosen about an emulator; the command line's flags, word for word."""

    data_dir: Path
    port: int = DEFAULT_PORT
    project: str = DEFAULT_PROJECT
    runner: engines.Setting = "process"
    isolation: Literal["auto", "require", "namespaces", "none"] = "auto"
    runtime_policy: Literal["exact", "nearest"] = "exact"
    allow_hosts: tuple[str, ...] = ()
    fake_gcs_server: Path | None = None
    fake_gcs_url: str = ""
    socket: Path | None = None
    cache_dir: Path | None = None
    wheelhouse: Path | None = None
    grace_s: float = 30.0
    keep_jobs: bool = False
    limits: LimitPolicy = "scaled"
    replica_scale: float = 1.0
    gpu: GpuPolicy = "auto"
    end_grace_s: float = 30.0
    queue_delay_s: float = 0.0
    catalog: Path | None = None
    jobs_at_once: int = 0  # 0: as many as the machine has cores
    base_image: str = ""  # of images that are built; empty: the usual ones
    gpus: int | None = None  # None: counted


Progress = Callable[[str], None]


class _App(uvicorn.Server):
    """Uvicorn without its own signal handling: the emulator ends in one place."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def default_cache_dir() -> Path:
    """``$CMLE_CACHE_DIR``, else ``cmle`` in the user's cache folder."""
    if configured := os.environ.get("CMLE_CACHE_DIR"):
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cmle"


def serve(settings: Settings, progress: Progress, ready: Callable[[Endpoint], None]) -> int:
    """Run an emulator until SIGINT or SIGTERM; answer the exit code."""
    catalog.load(settings.catalog)  # what is wrong with it is said before anything begins
    data = DataDir(settings.data_dir)
    data.open()
    try:
        cache_dir = settings.cache_dir or default_cache_dir()
        storage = settings.fake_gcs_url or find_or_obtain(  # once for minutes
            settings.fake_gcs_server, cache_dir, progress
        )
        asyncio.run(_serve(settings, data, storage, progress, ready))
    finally:
        data.withdraw()
        data.close()
    return 0


async def _serve(
    settings: Settings,
    data: DataDir,
    fake_gcs_server: Path | str,
    progress: Progress,
    ready: Callable[[Endpoint], None],
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with _running(settings, data, fake_gcs_server, progress) as endpoint:
        ready(endpoint)
        await ended.wait()
        progress("Stopping: running jobs go on at the next start.")


@contextlib.asynccontextmanager
async def _running(
    settings: Settings, data: DataDir, fake_gcs_server: Path | str, progress: Progress
) -> AsyncIterator[Endpoint]:
    """An emulator for the time of the block; the block gets its address card."""
    environment = before(os.environ)  # not led to this very gateway by `cmle env`
    index = (
        PackageIndex.of_wheelhouse(settings.wheelhouse)
        if settings.wheelhouse
        else PackageIndex.of_user(environment)
    )
    place = await engines.choose(_wanted(settings), data, index, environment, progress)
    async with contextlib.AsyncExitStack() as stack:
        keeper = Keeper(
            data.instance,
            gateway_arguments(
                data.root,
                allow_hosts=settings.allow_hosts,
                fake_gcs_server=fake_gcs_server,
                grace_s=settings.grace_s,
                socket_path=settings.socket and settings.socket.absolute(),
            ),
            port=settings.port,
        )
        starting = asyncio.create_task(stack.enter_async_context(keeper.running()))
        try:
            parts = _assemble(settings, data, place, FaultPlan(keeper))
        finally:
            await starting
        await stack.enter_async_context(_serving_app(data.instance, parts.services))
        await keeper.offer(
            _listen(f"\0cmle-service-{data.instance}"), Identity(Kind.SERVICE, settings.project)
        )
        await parts.begin()
        stack.push_async_callback(parts.end)
        port = keeper.ready.port
        endpoint = Endpoint(
            pid=os.getpid(),
            port=port,
            url=f"http://127.0.0.1:{port}",
            project=settings.project,
            ca_path=str(data.authority / "ca.pem"),
            bundle_path=str(data.authority / "bundle.pem"),
            gateway_pid=keeper.ready.pid,
            started=time.time(),
            runner=place.runner.name,
            isolation=place.isolation,
        )
        data.publish(endpoint)
        keeper.when_restarted(
            lambda ready: data.publish(msgspec.structs.replace(endpoint, gateway_pid=ready.pid))
        )
        yield endpoint


class _Parts(msgspec.Struct, frozen=True):
    """The emulator's parts, joined; ``begin`` when the gateway serves, ``end`` before it stops."""

    services: Services
    jobs: Jobs
    models: Models
    runner: engines.OwnRunner
    predictions: Predictions
    objects: Objects
    store: Store
    logs: Logs
    keeps_jobs: bool

    async def begin(self) -> None:
        """Go on with everything that a killed emulator left, and sweep what nobody knows."""
        sites = self.jobs.resume()
        await self.runner.sweep(sites | self.predictions.sites())
        self.models.resume()

    async def end(self) -> None:
        """Let go of the work in progress, then end every process of it, or all but jobs'."""
        await self.jobs.close()
        await self.models.close()
        await self.predictions.close()
        if self.keeps_jobs and (running := self.jobs.sites()):
            await self.runner.sweep(running)
        else:
            await self.runner.stop_all()
        await self.runner.let_go()
        await self.objects.aclose()
        self.logs.close()
        self.store.close()


def _wanted(settings: Settings) -> engines.Wanted:
    return engines.Wanted(
        runner=settings.runner,
        isolation=settings.isolation,
        policy=settings.runtime_policy,
        cache_dir=settings.cache_dir or default_cache_dir(),
        grace_s=settings.grace_s,
        allow_hosts=settings.allow_hosts,
        base_image=settings.base_image,
        gpus=settings.gpus,
        regions=tuple(catalog.load(settings.catalog).regions),
    )


def _assemble(settings: Settings, data: DataDir, place: engines.Place, faults: FaultPlan) -> _Parts:
    clock = time.time
    store, logs = Store(data.database), Logs(data.logs)
    timelines = Timelines(store, clock, queue_delay_s=settings.queue_delay_s)
    projects = Projects(settings.project, _rfc3339(clock()))
    objects = Objects(data.instance)
    runner, isolation = place.runner, place.isolation
    offered = catalog.load(settings.catalog)
    grounds = Grounds(
        runner,
        isolation,
        offered,
        _terms(settings),
        settings.allow_hosts,
        place.of_clusters,
        faults,
    )
    preparation = Preparation(
        objects,
        place.runtimes,
        place.installer,
        level=lambda spec: grounds.level(plan("", spec, offered).hosts),
        bundle=data.authority / "bundle.pem",
        downloads=data.root / "downloads",
    )
    jobs = Jobs(
        Ledger(store, logs, projects, timelines),
        objects,
        grounds,
        preparation,
        at_once=settings.jobs_at_once or os.cpu_count() or 1,
    )
    predictions = Predictions(
        runner,
        instance=data.instance,
        sites_dir=data.sites,
        state_dir=data.models,
        isolation=isolation,
    )
    operations = Operations(store, timelines.now)
    rollout = Rollout(
        objects, predictions, place.runtimes.ensure, data.models, offered.machines.prediction
    )
    models = Models(store, operations, rollout, timelines.now)
    services = Services(
        projects=projects,
        jobs=jobs,
        models=models,
        operations=operations,
        predict=Online(models, rollout, predictions),
        logs=logs,
        policies=Policies(store),
        clock=clock,
        timelines=timelines,
        limits=Admission(grounds),
        catalog=offered,
        faults=faults,
    )
    keeps_jobs = settings.keep_jobs
    return _Parts(services, jobs, models, runner, predictions, objects, store, logs, keeps_jobs)


def _terms(settings: Settings) -> Terms:
    return Terms(
        limits=settings.limits,
        replica_scale=settings.replica_scale,
        gpu=settings.gpu,
        end_grace_s=settings.end_grace_s,
    )


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


@contextlib.asynccontextmanager
async def _serving_app(instance: str, services: Services) -> AsyncIterator[None]:
    listener = _listen(f"\0cmle-app-{instance}")
    config = uvicorn.Config(
        application(services),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = _App(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.005)
            if task.done():
                await task
        yield
    finally:
        server.should_exit = True
        await task
        listener.close()


def _listen(name: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(name)
    listener.listen(512)
    listener.setblocking(False)  # noqa: FBT003 the socket module's own signature
    return listener
