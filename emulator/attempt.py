"""One attempt at a training job: its replicas from start, or adoption, to the last end."""

import asyncio
import contextlib
import hashlib
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

import msgspec

from emulator import ends
from emulator.activity import Activity
from emulator.cluster import Exit, Ref, Replica, SiteSpec
from emulator.danger import Danger, Struck
from emulator.ends import Action, Ended, Event, Grace, GraceOver, Idle, Restart, Standing, Stop
from emulator.errors import OperatorError
from emulator.fitting import Fitting
from emulator.grounds import Grounds
from emulator.ledger import Ledger, Private
from emulator.lifecycle import is_done
from emulator.plan import MASTER, plan
from emulator.resources import TrainingInput
from emulator.runners import Metered, Site
from emulator.tf_config import Task
from emulator.training import Prepared, command_line

_SETTLE_S: Final = 0.1  # who fails together is told together
_LOOKS: Final = 10  # within the time that makes a replica a quiet one


class Attempt:
    """Takes an attempt from where the record stands to its end.

    ``running`` is called once every replica is up. What still runs when ``run`` is cancelled
    runs on: who cancels it ends the site.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        grounds: Grounds,
        prepared: Prepared,
        running: Callable[[], None],
    ) -> None:
        self._name = name
        self._ledger = ledger
        self._grounds = grounds
        self._prepared = prepared
        self._running = running
        self._events: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: set[Task] = set()
        self._unstarted: set[Task] = set()
        self._all_up = asyncio.Event()
        self._opening = asyncio.Lock()
        self._opened: Site | None = None
        self._activity = Activity()

    async def run(self) -> Standing:
        """How the attempt ended: its outcome, and the failures that a job ends with."""
        job, private = self._ledger.load(self._name)
        terms = self._grounds.terms
        scale = private.scale if private.refs else terms.replica_scale
        spec = job.training_input or TrainingInput()
        laid_out = plan(self._name, spec, self._grounds.catalog, scale=scale)
        project = self._ledger.projects.get(private.project_id)
        self._whose = (private.project_id, job.job_id)
        self._fitting = Fitting(job, laid_out, self._prepared, self._grounds, project)
        try:
            if private.refs:
                standing = self._adopt(private)
            else:
                standing = await self._begin(private, scale)
            return await self._until_over(standing)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self, private: Private, scale: float) -> Standing:
        """Every replica is on record before any is started."""
        laid_out = self._fitting.plan
        retries = private.standing.retries if private.standing else 0
        site = site_id(self._name, retries)
        runner = self._grounds.runner.name
        self._refs = {task: Ref(runner, site, task.label, task.label) for task in laid_out.tasks}
        standing = ends.begin(laid_out.tasks, retries)
        self._store(standing, scale=scale, units_per_hour=laid_out.units_per_hour)
        self._ledger.say(self._name, "Waiting for training program to start.")
        await self._introduce()
        self._starting = set(laid_out.tasks)
        for task in laid_out.tasks:
            self._spawn(self._live(task, starts=True))
        return standing

    def _adopt(self, private: Private) -> Standing:
        """Attend again to what a killed emulator left, and do again what it was about to do."""
        standing = private.standing or ends.begin((MASTER,))
        tasks = {task.label: task for task in (*self._fitting.plan.tasks, *standing.alive)}
        self._refs = {tasks[ref.task]: ref for ref in private.refs if ref.task in tasks}
        self._all_up.set()
        for task in standing.alive:
            self._spawn(self._live(task, starts=False))
        self._act(ends.again(standing))
        return standing

    async def _until_over(self, standing: Standing) -> Standing:
        await self._all_up.wait()
        if not self._unstarted:
            self._running()
        self._spawn(self._watch(lambda: standing))
        while not standing.is_over:
            for event in await self._next(standing):
                standing, actions = ends.after(standing, event)
                for action in actions:
                    if isinstance(action, Restart):
                        self._renew(action)
                self._store(standing)
                self._tell(event, actions)
                self._act(actions)
        return standing

    async def _next(self, standing: Standing) -> list[Event]:
        """What has happened, in the order of its time."""
        found = [await self._events.get()]
        failed = isinstance(found[0], Ended) and not is_done(found[0].exit)
        if failed and len(standing.alive) > 1:
            await asyncio.sleep(_SETTLE_S)
        while not self._events.empty():
            found.append(self._events.get_nowait())
        for event in found:
            if isinstance(event, BaseException):
                raise event
        events = [event for event in found if not isinstance(event, BaseException)]
        return sorted(events, key=_when)

    def _renew(self, action: Restart) -> None:
        """Another life under the same host name: in the same site, by another name."""
        ref = self._refs[action.task]
        name = f"{action.task.label}.{action.count + 1}"
        self._refs[action.task] = msgspec.structs.replace(ref, name=name)
        self._opened = None

    def _store(self, standing: Standing, **fields: Any) -> None:
        job, private = self._ledger.load(self._name)
        refs = tuple(self._refs.values())
        changed = msgspec.structs.replace(private, refs=refs, standing=standing, **fields)
        self._ledger.save(self._name, job, changed)

    def _tell(self, event: Event, actions: Iterable[Action]) -> None:
        if isinstance(event, Ended) and is_done(event.exit) and self._is_managed(event.task):
            self._ledger.complete(self._name, event.task.label)
        for action in actions:
            if isinstance(action, Restart):
                end = action.exit
                how = f"signal {end.signal}" if end.signal else end.reason
                self._warn(
                    f"The replica {action.task.type} {action.task.index} ended ({how}) and is "
                    f"restarted ({action.count})."
                )
            elif isinstance(action, Grace):
                names = ", ".join(task.label for task in action.tasks)
                self._ledger.say(
                    self._name,
                    f"The master has ended well. Those that still run have "
                    f"{self._grounds.terms.end_grace_s:g} s to end, too: {names}.",
                )

    def _act(self, actions: Iterable[Action]) -> None:
        terms = self._grounds.terms
        for action in actions:
            match action:
                case Restart(task):
                    self._spawn(self._live(task, starts=True))
                case Stop(tasks):
                    self._spawn(self._stop([self._refs[task] for task in tasks]))
                    self._spawn(self._later(terms.stop_grace_s + terms.late_s, ends.GivenUp(tasks)))
                case Grace(tasks):
                    self._spawn(self._later(terms.end_grace_s, GraceOver()))
                    workers = [task for task in tasks if task.type == "worker"]
                    self._spawn(self._watch_servers(workers))

    async def _live(self, task: Task, *, starts: bool) -> None:
        """One life of a replica, from its start to its end."""
        ref = self._refs[task]
        if starts:
            failure = await self._start(task, ref.name)
            self._starting.discard(task)
            if failure is not None:
                self._unstarted.add(task)
            if not self._starting:
                self._all_up.set()
            if failure is not None:
                self._events.put_nowait(Ended(task, failure))
                return
        self._heard(task.label)
        danger = Danger(self._grounds.faults, self._whose, task.label)
        in_time = asyncio.create_task(self._in_danger(danger, task, ref))

        def heard(text: str) -> None:
            self._heard(task.label)
            if self._grounds.faults and (fault := danger.hear(text)):
                self._preempt(fault, task, ref)

        try:
            end = await attend(self._name, self._ledger, self._grounds, ref, heard)
        finally:
            in_time.cancel()
        self._events.put_nowait(Ended(task, end))

    async def _in_danger(self, danger: Danger, task: Task, ref: Ref) -> None:
        """Preempt it by the clock, whenever that is due."""
        while True:
            if fault := await danger.due():
                self._preempt(fault, task, ref)

    def _preempt(self, fault: Struck, task: Task, ref: Ref) -> None:
        grace_s = fault.preempt.grace_s
        self._warn(
            f"The machine of the replica {task.type} {task.index} is preempted {fault.reason} "
            f"({fault.id}): SIGTERM, and SIGKILL after {grace_s:g} s."
        )
        self._spawn(self._grounds.runner.stop([ref], grace_s))

    def _heard(self, label: str) -> None:
        self._activity.begin(label, _seconds())

    async def _start(self, task: Task, name: str) -> Exit | None:
        try:
            site = await self._site()
            await site.start(
                self._with_full_disk(self._fitting.replica(task, name, site.addresses))
            )
        except OperatorError as error:
            return Exit("failed_to_start", message=str(error), ended=self._ledger.timelines.clock())
        return None

    def _with_full_disk(self, replica: Replica) -> Replica:
        role, _, index = replica.task.partition("-replica-")
        fault = self._grounds.faults.full_disk(*self._whose, f"{role}-{index}")
        if fault is None:
            return replica
        fault_id, size = fault
        self._warn(
            f"The disk of the replica {role} {index} has room for {size} bytes ({fault_id})."
        )
        return msgspec.structs.replace(replica, disk_bytes=size, has_full_disk=True)

    async def _site(self) -> Site:
        """The place of the attempt; looked for again, or made, after something was lost."""
        hosts = self._fitting.plan.hosts
        async with self._opening:
            if self._opened is None:
                site = next(iter(self._refs.values())).site_id
                spec = SiteSpec(site, hosts=hosts, isolation=self._grounds.level(hosts))
                self._opened = await self._grounds.runner.open(spec)
            return self._opened

    async def _stop(self, refs: list[Ref]) -> None:
        await self._grounds.runner.stop(refs, self._grounds.terms.stop_grace_s)

    async def _later(self, seconds: float, event: Event) -> None:
        await asyncio.sleep(seconds)
        self._events.put_nowait(event)

    async def _watch(self, standing: Callable[[], Standing]) -> None:
        """Say so when every replica is alive and none does anything."""
        terms, stalled = self._grounds.terms, False
        metered = isinstance(self._grounds.runner, Metered)
        window = terms.stall_s if metered else terms.silence_s
        while True:
            await asyncio.sleep(window / _LOOKS)
            alive = () if standing().outcome else standing().alive
            quiet = await self._quiet(alive, window)
            if alive and len(quiet) == len(alive) and not stalled:
                names = ", ".join(task.label for task in quiet)
                self._warn(
                    f"Nothing has happened for {window:g} s: no line and no work of {names}. "
                    "Replicas that wait for one that is gone wait for ever; cancel the job, or "
                    "wait for its maxRunningTime."
                )
            stalled = bool(alive) and len(quiet) == len(alive)

    async def _watch_servers(self, tasks: Sequence[Task]) -> None:
        """Within the end grace: workers that only serve the primary never end by themselves."""
        idle_s = self._grounds.terms.idle_s
        for task in tasks:
            self._heard(task.label)
        busy = list(tasks)
        while busy and isinstance(self._grounds.runner, Metered):
            await asyncio.sleep(idle_s / _LOOKS)
            if idle := await self._quiet(busy, idle_s):
                busy = [task for task in busy if task not in idle]
                self._events.put_nowait(Idle(tuple(idle)))

    async def _quiet(self, tasks: Sequence[Task], window_s: float) -> list[Task]:
        """Which of these have printed nothing, and worked nothing, for this long."""
        refs = {self._refs[task].name: task for task in tasks}
        if refs and isinstance(self._grounds.runner, Metered):
            used = await self._grounds.runner.usage([self._refs[task] for task in tasks])
            labels = {refs[name].label: it for name, it in used.items() if name in refs}
            self._activity.used(labels, _seconds())
        now = _seconds()
        return [task for task in tasks if self._activity.quiet_s(task.label, now) >= window_s]

    async def _introduce(self) -> None:
        """What the log says of the attempt before its replicas speak."""
        with contextlib.suppress(OperatorError):  # the starts will say so
            addresses = (await self._site()).addresses
            for text in self._fitting.warnings(addresses):
                self._warn(text)
        spec = self._fitting.job.training_input or TrainingInput()
        report = self._ledger.reporter(self._name)
        level = self._grounds.level(self._fitting.plan.hosts)
        for member in self._fitting.plan.members:
            label = member.task.label
            report(f"Isolation of this replica: {level}.", task=label)
            if member.image:
                report(f"Running the container image {member.image}.", task=label)
            else:
                report(f"Running module {spec.python_module}.", task=label)
                report(f"Running command: {command_line(spec)}", task=label)

    def _is_managed(self, task: Task) -> bool:
        return not any(it.task == task and it.image for it in self._fitting.plan.members)

    def _warn(self, text: str) -> None:
        self._ledger.say(self._name, text, severity="WARNING")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._events.put_nowait(error)
            self._all_up.set()


def _seconds() -> float:
    """What activity is measured in: replicas have the time of this machine, whatever is skipped."""
    return asyncio.get_running_loop().time()


def _when(event: Event) -> float:
    """When it came about; what has no time is said last."""
    return (event.exit.ended or math.inf) if isinstance(event, Ended) else math.inf


async def attend(
    name: str,
    ledger: Ledger,
    grounds: Grounds,
    ref: Ref,
    heard: Callable[[str], None] = lambda _: None,
) -> Exit:
    """Take a replica's lines into the log until it ends; go on after the last one kept.

    ``heard`` is called with the text of each.
    """
    job, private = ledger.load(name)
    source = f"{ref.site_id}/{ref.name}"
    since = ledger.logs.last_seq(private.project_id, job.job_id, source)
    async for line in grounds.runner.follow(ref, since):
        time = ledger.timelines.of(private.project_id).at(line.time)
        dated = msgspec.structs.replace(line, time=time)
        ledger.logs.append(private.project_id, job.job_id, ref.task, source, dated)
        heard(line.text)
    return await grounds.runner.wait(ref)


def site_id(name: str, attempt: int) -> str:
    """Unique to a job and an attempt, and short enough for a socket's name."""
    return f"job-{hashlib.sha256(name.encode()).hexdigest()[:16]}-{attempt}"
