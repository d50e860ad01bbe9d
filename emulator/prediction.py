"""Online prediction: one server process per version, started when needed, asked by its socket."""

import asyncio
import hashlib
import logging
import secrets
from pathlib import Path
from typing import Final

import msgspec

from emulator.cluster import Isolation, Ref, SiteSpec
from emulator.deployment import SERVER, Deployment, bad_model, server, socket_name
from emulator.errors import CmleError, InvalidArgument, NotFound, OperatorError
from emulator.model_server import ModelServer, cancel
from emulator.runners import Runner
from emulator.shipped import SHIMS
from emulator.upstream import Unreachable

MAX_REQUEST_BYTES: Final = 1_572_864  # 1.5 MiB
INTERNAL: Final = (
    b'{"error": {"code": 500, "message": "Internal error encountered.", "status": "INTERNAL", '
    b'"details": [{"@type": "type.googleapis.com/google.rpc.DebugInfo", '
    b'"detail": "[ORIGINAL ERROR] generic::internal: Prediction failed."}]}}'
)

log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True):
    """How long things may take, and how many servers may be in memory (0.3 to 0.6 GB each)."""

    load_s: float = 600.0
    answer_s: float = 60.0
    adopt_s: float = 3.0  # for a server of before a restart to say that it is there
    idle_s: float = 1800.0
    servers: int = 6


class ServerFailed(CmleError):
    """A server that did not get ready; ``str()`` is the text of Operation.error."""


class _Version:
    """What is known of one version: its last site and, while it is up, its server."""

    def __init__(self, deployment: Deployment, ref: Ref | None) -> None:
        self.deployment = deployment
        self.ref = ref  # of the last server, perhaps of before a restart
        self.running: ModelServer | None = None
        self.starting: asyncio.Task[ModelServer] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Predictions:
    """The servers of all versions.

    The last site of each version is written to ``state_dir`` before it is opened, so that a
    restarted emulator finds the servers that still run.
    """

    def __init__(  # noqa: PLR0913 - where, as what and how: all is the composition root's
        self,
        runner: Runner,
        *,
        instance: str,
        sites_dir: Path,
        state_dir: Path,
        isolation: Isolation,
        shims: Path = SHIMS,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._runner = runner
        self._instance = instance
        self._sites_dir = sites_dir
        self._state_dir = state_dir
        self._isolation = isolation
        self._shims = shims
        self._limits = limits
        self._versions: dict[str, _Version] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, deployment: Deployment) -> None:
        """Make a version known; its server is adopted or started when it is first asked."""
        version = _Version(deployment, _read(self._memory(deployment.key)))
        self._versions[deployment.key] = version
        if version.ref is not None:
            self._watch_idle(version, self._limits.idle_s)

    async def deploy(self, deployment: Deployment) -> None:
        """Make a version known and start its server; forgotten if that fails (ServerFailed)."""
        known = self._versions.get(deployment.key)
        if known is not None and known.deployment != deployment:
            await self.undeploy(deployment.key)
        if deployment.key not in self._versions:
            self.add(deployment)
        try:
            await self._ready(self._versions[deployment.key])
        except (CmleError, asyncio.CancelledError):
            await self.undeploy(deployment.key)
            raise

    async def undeploy(self, key: str) -> None:
        """Stop a version's server and forget the version."""
        version = self._versions.pop(key, None)
        if version is not None:
            await self._stop(version)

    async def predict(self, key: str, body: bytes) -> tuple[int, bytes]:
        """HTTP status and body for a request's body; neither is decoded here."""
        if len(body) > MAX_REQUEST_BYTES:
            raise InvalidArgument(
                f"Request payload size exceeds the limit: {MAX_REQUEST_BYTES} bytes."
            )
        version = self._versions.get(key)
        if version is None:
            raise NotFound.field("name", f"{key} is not deployed.")
        try:
            return await self._ask(version, body)
        except (CmleError, TimeoutError) as error:
            log.warning("%s: no prediction: %s", key, error)
            return 500, INTERNAL

    def knows(self, key: str) -> bool:
        """Whether ``add`` or ``deploy`` made this version known since the start."""
        return key in self._versions

    def sites(self) -> set[str]:
        """The sites of all versions' servers, also of before a restart: not to be swept."""
        refs = map(_read_ref, self._state_dir.glob("server-*.json"))
        return {ref.site_id for ref in refs if ref is not None}

    async def close(self) -> None:
        """Stop every server; what is deployed stays known to ``state_dir``'s owner."""
        versions = list(self._versions.values())
        self._versions.clear()
        await asyncio.gather(*map(self._stop, versions))
        await asyncio.gather(*self._tasks)

    # ---- asking

    async def _ask(self, version: _Version, body: bytes) -> tuple[int, bytes]:
        model_server = await self._ready(version)
        try:
            return await model_server.ask(body, self._limits.answer_s)
        except Unreachable:  # it has not got the request
            if not await model_server.ends():
                raise
        return await (await self._ready(version)).ask(body, self._limits.answer_s)

    async def _ready(self, version: _Version) -> ModelServer:
        """The version's server; all who ask while it starts share one start."""
        if version.running is not None and not version.running.is_over:
            return version.running
        if version.starting is None:
            version.starting = asyncio.create_task(self._start(version))
        starting = version.starting
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            if starting.cancelled():  # by undeploy, not by whoever awaits this
                raise ServerFailed("The version was deleted while its server started.") from None
            raise

    async def _start(self, version: _Version) -> ModelServer:
        try:
            running = await self._adopt(version) or await self._launch(version)
        finally:
            version.starting = None
        version.running = running
        self._watch_idle(version, self._limits.idle_s)
        return running

    # ---- starting

    async def _adopt(self, version: _Version) -> ModelServer | None:
        """Take over a server that outlived the emulator that started it."""
        if version.ref is None or version.running is not None:
            return None
        try:
            found = await self._reach(version.ref)
        except OperatorError:
            return None
        healthy = False
        try:
            healthy = await found.healthy(self._limits.adopt_s, patient=False)
        finally:
            if not healthy:
                await found.let_go()
        return found if healthy else None

    async def _reach(self, ref: Ref) -> ModelServer:
        listen = socket_name(self._instance, ref.site_id)
        return ModelServer(self._runner, ref, await self._runner.reach(ref, listen))

    async def _launch(self, version: _Version) -> ModelServer:
        await self._stop_server(version)
        await self._make_room(version)
        spec = SiteSpec(f"version-{secrets.token_hex(6)}")
        work_dir = self._sites_dir / spec.site_id / "replicas" / SERVER / "work"
        in_image = bool(version.deployment.image)
        replica = server(
            version.deployment,
            listen=socket_name(self._instance, spec.site_id),
            work_dir="" if in_image else str(work_dir),
            shims=str(self._shims),
            isolation=self._isolation,
        )
        self._remember(version, Ref("", spec.site_id, SERVER, SERVER))
        started: ModelServer | None = None
        try:
            site = await self._runner.open(spec)
            ref = await site.start(replica)
            self._remember(version, ref)
            started = await self._reach(ref)
            if not await started.healthy(self._limits.load_s, patient=True):
                failure = await started.failure()
                log.warning("%s: its server did not start: %s", version.deployment.key, failure)
                raise ServerFailed(bad_model(failure))
        except (CmleError, asyncio.CancelledError):
            if started is not None:
                await started.let_go()
            await self._stop_server(version)
            raise
        return started

    # ---- stopping

    async def _stop(self, version: _Version) -> None:
        if version.timer is not None:
            version.timer.cancel()
        if version.starting is not None:
            await cancel(version.starting)
        await self._stop_server(version)

    async def _stop_server(self, version: _Version) -> None:
        running, version.running = version.running, None
        if running is not None:
            await running.let_go()
        ref, version.ref = version.ref, None
        if ref is not None:
            await self._runner.close(ref.site_id)
        self._memory(version.deployment.key).unlink(missing_ok=True)

    async def _make_room(self, newcomer: _Version) -> None:
        """Stop the server that was asked longest ago, if there are as many as there may be."""
        up = [v for v in self._versions.values() if v.running is not None and v is not newcomer]
        idle = [v for v in up if v.running is not None and not v.running.open_requests]
        for version in sorted(idle, key=_last_asked)[: max(len(up) + 1 - self._limits.servers, 0)]:
            await self._stop_server(version)

    def _watch_idle(self, version: _Version, delay_s: float) -> None:
        if version.timer is not None:
            version.timer.cancel()
        loop = asyncio.get_running_loop()
        version.timer = loop.call_later(delay_s, self._on_idle, version)

    def _on_idle(self, version: _Version) -> None:
        version.timer = None
        running = version.running
        if version.starting is not None or (running is not None and running.open_requests):
            self._watch_idle(version, self._limits.idle_s)
        elif running is not None and (left := running.asked + self._limits.idle_s - _now()) > 0:
            self._watch_idle(version, left)
        else:
            task = asyncio.create_task(self._stop_server(version))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    # ---- what outlives the emulator

    def _memory(self, key: str) -> Path:
        return self._state_dir / f"server-{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"

    def _remember(self, version: _Version, ref: Ref) -> None:
        version.ref = ref
        path = self._memory(version.deployment.key)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(ref))
        fresh.replace(path)

    def _recall(self, key: str) -> Ref | None:
        return _read_ref(self._memory(key))


def _read_ref(path: Path) -> Ref | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ref)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _read(path: Path) -> Ref | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ref)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _last_asked(version: _Version) -> float:
    return version.running.asked if version.running is not None else 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()
