"""Online prediction: one server process per version, started when needed, asked by its socket."""

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from emulator.cluster import Exit, Isolation, Line, Ref, Replica, SiteSpec
from emulator.deployment import SERVER, Deployment, bad_model, server, socket_name
from emulator.errors import CmleError, InvalidArgument, NotFound
from emulator.shipped import SHIMS
from emulator.upstream import Broken, Unreachable, Upstream

MAX_REQUEST_BYTES: Final = 1_572_864  # 1.5 MiB
LOAD_FAILED: Final = "cmle-prediction-server: load failed: "  # the server's last line, then JSON
INTERNAL: Final = json.dumps(
    {
        "error": {
            "code": 500,
            "message": "Internal error encountered.",
            "status": "INTERNAL",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.DebugInfo",
                    "detail": "[ORIGINAL ERROR] generic::internal: Prediction failed.",
                }
            ],
        }
    }
).encode()
_HEADERS: Final = [(b"content-type", b"application/json")]
_RETRY_S: Final = 0.02
_LAST_LINES: Final = 20

log = logging.getLogger(__name__)


class Site(Protocol):
    """A place for one server."""

    async def start(self, replica: Replica) -> Ref: ...


class Runner(Protocol):
    """What is needed of where replicas run."""

    async def open(self, site: SiteSpec) -> Site: ...
    def follow(self, ref: Ref, since: int) -> AsyncIterator[Line]: ...
    async def wait(self, ref: Ref) -> Exit: ...
    async def stop(self, refs: Sequence[Ref], grace_s: float) -> None: ...
    async def close(self, site_id: str) -> None: ...


class Limits(msgspec.Struct, frozen=True):
    """How long things may take, and how many servers may be in memory (0.3 to 0.6 GB each)."""

    load_s: float = 600.0
    answer_s: float = 60.0
    adopt_s: float = 3.0  # for a server of before a restart to say that it is there
    stop_s: float = 0.5
    idle_s: float = 1800.0
    servers: int = 6


class ServerFailed(CmleError):
    """A server that did not get ready; ``str()`` is the text of Operation.error."""


class _Running(msgspec.Struct):
    """A server that answers: ``ended`` is done as soon as its process is gone."""

    ref: Ref
    upstream: Upstream
    ended: asyncio.Task[Exit]
    asked: float
    open_requests: int = 0


class _Version:
    """What is known of one version: its last site and, while it is up, its server."""

    def __init__(self, deployment: Deployment, ref: Ref | None) -> None:
        self.deployment = deployment
        self.ref = ref  # of the last server, perhaps of before a restart
        self.running: _Running | None = None
        self.starting: asyncio.Task[_Running] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Predictions:
    """The servers of all versions.

    The last site of each version is written to ``state_dir`` before it is opened, so that a
    restarted emulator finds the servers that still run.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        instance: str,
        sites_dir: Path,
        state_dir: Path,
        isolation: Isolation,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._runner = runner
        self._instance = instance
        self._sites_dir = sites_dir
        self._state_dir = state_dir
        self._isolation = isolation
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
        """Make a version known and start its server; ServerFailed, and forgotten, if it cannot."""
        known = self._versions.get(deployment.key)
        if known is not None and known.deployment != deployment:
            await self.undeploy(deployment.key)
        if deployment.key not in self._versions:
            self.add(deployment)
        try:
            await self._ready(self._versions[deployment.key])
        except (ServerFailed, asyncio.CancelledError):
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
        except (ServerFailed, Unreachable, Broken, TimeoutError) as error:
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
        running = version.running
        if running is None or running.ended.done():
            running = await self._ready(version)
        running.open_requests += 1
        try:
            exchange = asyncio.create_task(_exchange(running.upstream, body))
            await asyncio.wait(
                (exchange, running.ended),
                timeout=self._limits.answer_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if exchange.done():
                return exchange.result()
            await _cancelled(exchange)
            if running.ended.done():
                raise Broken(f"The model server {_described(_end(running))}.")
            raise TimeoutError(f"the model server took more than {self._limits.answer_s:g} s")
        finally:
            running.open_requests -= 1
            running.asked = _now()

    async def _ready(self, version: _Version) -> _Running:
        """The version's server; all who ask while it starts share one start."""
        if version.running is not None and not version.running.ended.done():
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

    async def _start(self, version: _Version) -> _Running:
        try:
            running = await self._adopt(version) or await self._launch(version)
        finally:
            version.starting = None
        version.running = running
        self._watch_idle(version, self._limits.idle_s)
        return running

    # ---- starting

    async def _adopt(self, version: _Version) -> _Running | None:
        """Take over a server that outlived the emulator that started it."""
        if version.ref is None or version.running is not None:
            return None
        running = self._running(version.ref)
        healthy = False
        try:
            healthy = await self._healthy(running, self._limits.adopt_s, patient=False)
        finally:
            if not healthy:
                await self._let_go(running)
        return running if healthy else None

    async def _launch(self, version: _Version) -> _Running:
        await self._stop_server(version)
        await self._make_room(version)
        spec = SiteSpec(f"version-{secrets.token_hex(6)}")
        work_dir = self._sites_dir / spec.site_id / "replicas" / SERVER / "work"
        replica = server(
            version.deployment,
            listen=socket_name(self._instance, spec.site_id),
            work_dir=str(work_dir),
            shims=str(SHIMS),
            isolation=self._isolation,
        )
        self._remember(version, Ref("", spec.site_id, SERVER, SERVER))
        site = await self._runner.open(spec)
        work_dir.mkdir(parents=True, exist_ok=True)
        ref = await site.start(replica)
        self._remember(version, ref)
        running = self._running(ref)
        failure = "its start was given up"
        try:
            if await self._healthy(running, self._limits.load_s, patient=True):
                failure = ""
                return running
            failure = await self._failure(running)
        finally:
            if failure:
                await self._let_go(running)
        await self._stop_server(version)
        log.warning("%s: its server did not start: %s", version.deployment.key, failure)
        raise ServerFailed(bad_model(failure))

    def _running(self, ref: Ref) -> _Running:
        address = "\0" + socket_name(self._instance, ref.site_id)
        ended = asyncio.create_task(self._runner.wait(ref))
        return _Running(
            ref, Upstream(address, idle_s=self._limits.load_s, max_idle=64), ended, _now()
        )

    async def _healthy(self, running: _Running, within_s: float, *, patient: bool) -> bool:
        """Whether a server says that it has its model, before it ends and the time is over."""
        health = asyncio.create_task(_health(running.upstream, patient=patient))
        await asyncio.wait(
            (health, running.ended), timeout=within_s, return_when=asyncio.FIRST_COMPLETED
        )
        if health.done():
            return health.result()
        await _cancelled(health)
        return False

    async def _failure(self, running: _Running) -> str:
        """Why a server did not get ready, in its own words where it had some."""
        if not running.ended.done():
            return f"the model was not loaded within {self._limits.load_s:g} seconds"
        end = _end(running)
        lines = [line.text async for line in self._runner.follow(running.ref, 0)]
        for line in reversed(lines):
            if line.startswith(LOAD_FAILED):
                return str(json.loads(line.removeprefix(LOAD_FAILED)))
        last = "\n".join(lines[-_LAST_LINES:])
        return "\n".join(filter(None, [f"the model server {_described(end)}", last]))

    # ---- stopping

    async def _stop(self, version: _Version) -> None:
        if version.timer is not None:
            version.timer.cancel()
        if version.starting is not None:
            await _cancelled(version.starting)
        await self._stop_server(version)

    async def _stop_server(self, version: _Version) -> None:
        running, version.running = version.running, None
        if running is not None:
            await self._let_go(running)
        ref, version.ref = version.ref, None
        if ref is not None:
            if ref.runner:
                await self._runner.stop([ref], self._limits.stop_s)
            await self._runner.close(ref.site_id)
        self._memory(version.deployment.key).unlink(missing_ok=True)

    async def _let_go(self, running: _Running) -> None:
        await running.upstream.aclose()
        await _cancelled(running.ended)

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


async def _exchange(upstream: Upstream, body: bytes) -> tuple[int, bytes]:
    answer = await upstream.send("POST", "/predict", _HEADERS, body)
    return answer.status, await answer.read()


async def _health(upstream: Upstream, *, patient: bool) -> bool:
    """Wait until a server answers; the patient also wait for its socket."""
    while True:
        try:
            answer = await upstream.send("GET", "/health", [])
            await answer.read()
        except (Unreachable, Broken):
            if not patient:
                return False
            await asyncio.sleep(_RETRY_S)
        else:
            return answer.status == 200  # noqa: PLR2004


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """End a task and look at what came of it, so that nobody complains."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()


def _end(running: _Running) -> Exit:
    """How a server ended whose ``ended`` is done."""
    error = running.ended.exception()
    return running.ended.result() if error is None else Exit("lost", message=f"was lost: {error}")


def _described(end: Exit) -> str:
    if end.out_of_memory:
        return "ran out of memory"
    if end.signal is not None:
        return f"was ended by signal {end.signal}"
    return end.message or f"ended with status {end.code}"


def _last_asked(version: _Version) -> float:
    return version.running.asked if version.running is not None else 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()
