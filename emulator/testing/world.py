"""The applications behind Google's hosts, over scripted services and storage in memory."""

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

import msgspec
from starlette.types import ASGIApp

from emulator.api import application
from emulator.api.services import Services
from emulator.catalog import Catalog
from emulator.errors import FailedPrecondition
from emulator.gateway.routes import STORAGE, Place
from emulator.identity import Identity, Kind
from emulator.ledger import Ledger
from emulator.logs import Logs
from emulator.models import Models
from emulator.names import GcsUri
from emulator.online import Online
from emulator.operations import Operations
from emulator.policies import Policies
from emulator.projects import Projects
from emulator.resources import Job, Version
from emulator.storage.memory import open_memory
from emulator.store import Store
from emulator.testing.agenda import Agenda
from emulator.testing.clock import Clock
from emulator.testing.exchange import Answer, Origin, asked, exchange, taken_apart
from emulator.testing.faults import Faults
from emulator.testing.predictions import Complain, Servers
from emulator.testing.script import FakeService
from emulator.testing.scripted_jobs import ScriptedJobs
from emulator.testing.scripted_rollout import ScriptedRollout
from emulator.timelines import Timelines

_LOOK: Final = re.compile(r"/v1/projects/[^/]+/(?:locations/[^/]+/)?(?:jobs|operations)/[^/:]+")
_OK: Final = 200
_TURNS: Final = 3  # of the loop: an operation is a task within a task
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 a fresh folder in it, only ours


class World(Protocol):
    """What answers requests."""

    async def app(self, method: str, path: str, place: Place) -> ASGIApp: ...
    async def settle(self) -> None:
        """Called when a request is answered, before its client knows."""
        ...


class ScriptedWorld:
    """Before each answer, virtual time is caught up with; a look at a job lets some pass."""

    def __init__(
        self, agenda: Agenda, faults: Faults, apps: dict[Place, ASGIApp], poll_s: float
    ) -> None:
        self._agenda = agenda
        self._faults = faults
        self._apps = apps
        self._poll_s = poll_s

    async def app(self, method: str, path: str, place: Place) -> ASGIApp:
        if method == "GET" and _LOOK.fullmatch(path):
            self._agenda.clock.advance(self._poll_s)
        await self._agenda.catch_up()
        return self._faults.instead(method, path, place) or self._apps[place]

    async def settle(self) -> None:
        """What the request began has begun, so that it counts its time from here."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def scripted(
    script: FakeService, clock: Clock, complain: Complain
) -> AsyncIterator[ScriptedWorld]:
    """A world that begins empty but for the script's buckets, for the time of the block."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="cmle-intercept-", dir=_in_memory())
        )
        logs = stack.enter_context(contextlib.closing(Logs(Path(folder))))
        store = stack.enter_context(contextlib.closing(Store(Path(":memory:"))))
        door = await stack.enter_async_context(open_memory(lambda: int(clock() * 1_000_000)))
        objects = _Objects(door, script.project, complain)
        for bucket in script.buckets:
            await objects.make(bucket)
        agenda = Agenda(clock)
        created = datetime.fromtimestamp(clock(), UTC).isoformat().replace("+00:00", "Z")
        projects = Projects(script.project, created)
        timelines = Timelines(store, clock)
        operations = Operations(store, timelines.now)
        rollout = ScriptedRollout(agenda, script.version_errors, script.operation_s)
        models = Models(store, operations, rollout, timelines.now)
        stack.push_async_callback(models.close)
        services = Services(
            projects=projects,
            jobs=ScriptedJobs(
                Ledger(store, logs, projects, timelines),
                agenda,
                script.jobs,
                objects.put,
                objects.missing if script.check_uploads else _nothing,
            ),
            models=models,
            operations=operations,
            predict=Online(models, rollout, Servers(script.predictions, complain)),
            logs=logs,
            policies=Policies(store),
            clock=clock,
            timelines=_OneTime(clock),
            limits=_Unlimited(),
        )
        apps: dict[Place, ASGIApp] = {
            Place.STORAGE: door,
            Place.APPLICATION: application(services),
        }
        yield ScriptedWorld(agenda, Faults(script.faults), apps, script.poll_s)


class _Unlimited:
    """What trains nothing can do everything."""

    def check_job(self, job: Job, catalog: Catalog) -> None:
        """Any valid job."""

    def check_version(self, version: Version, catalog: Catalog) -> None:
        """Any valid version."""


class _OneTime:
    """All projects of a script have its time, and are queued as it says."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self, project_id: str) -> float:
        del project_id
        return self._clock()

    def ahead_s(self, project_id: str) -> float:
        del project_id
        return self._clock.elapsed

    def queue_delay_s(self, project_id: str) -> float:
        del project_id
        return 0.0

    def queue_jobs(self, project_id: str, seconds: float) -> None:
        del project_id, seconds
        raise FailedPrecondition(
            "Jobs are queued as the script says: `fake_service(job_outcomes=…)`."
        )

    async def advance(self, project_id: str, seconds: float) -> None:
        """What falls due is done before the next answer."""
        del project_id
        self._clock.advance(seconds)


class _Objects:
    """The service's own way to storage."""

    def __init__(self, door: ASGIApp, project: str, complain: Complain) -> None:
        self._door = door
        self._project = project
        self._complain = complain

    async def make(self, bucket: str) -> None:
        body = msgspec.json.encode({"name": bucket})
        await self._send("POST", f"/storage/v1/b?project={self._project}", body)

    async def put(self, uri: GcsUri, content: bytes) -> None:
        path = f"/upload/storage/v1/b/{uri.bucket}/o?uploadType=media&name={_q(uri.object)}"
        try:
            await self._send("POST", path, content)
        except AssertionError as error:
            self._complain(error)

    async def missing(self, uris: Sequence[GcsUri]) -> list[GcsUri]:
        return [uri for uri in uris if not await self._is_there(uri)]

    async def _is_there(self, uri: GcsUri) -> bool:
        target = f"/storage/v1/b/{uri.bucket}/o/{_q(uri.object)}"
        return (await self._ask("GET", target)).status == _OK

    async def _send(self, method: str, target: str, body: bytes) -> None:
        answer = await self._ask(method, target, body)
        if answer.status != _OK:
            text = answer.body.decode(errors="replace")
            raise AssertionError(
                f"Storage refuses what the script asks for: {method} {target}: {text}"
            )

    async def _ask(self, method: str, target: str, body: bytes = b"") -> Answer:
        request = asked(method, target.encode(), [(b"host", STORAGE.encode())], body)
        identity = Identity(Kind.SERVICE, self._project)

        async def door(*_: object) -> ASGIApp:
            return self._door

        origin = Origin.of(f"https://{STORAGE}")
        return taken_apart(await exchange(request, origin, door, identity=identity), method)


def _in_memory() -> Path | None:
    """Where files are never written to a disk, if there is such a place."""
    return _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) else None


async def _nothing(_: Sequence[GcsUri]) -> list[GcsUri]:
    return []


def _q(text: str) -> str:
    return quote(text, safe="")
