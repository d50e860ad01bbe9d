"""A runner whose replicas are rows of a table: what each life prints, and how it ends."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import msgspec

from emulator.cluster import Exit, Line, Ref, Replica, SiteSpec
from emulator.errors import OperatorError
from emulator.runners import Abilities

NAME = "fake"
DONE = Exit("exited", code=0)
STOPPED = Exit("stopped", signal=15)
CRASHED = Exit("exited", signal=11)


class Life(msgspec.Struct, frozen=True):
    """``exit`` None: it runs until it is stopped, and takes that with ``when_stopped``.

    ``refused`` is why it cannot be started; ``hangs``: it never is, nor says so.
    ``after_s``: how long it runs before ``exit``; ``deaf``: no stop ends it, only close does.
    """

    exit: Exit | None = None
    lines: tuple[str, ...] = ()
    when_stopped: Exit = STOPPED
    refused: str = ""
    hangs: bool = False
    deaf: bool = False
    after_s: float = 0.0


SERVES = Life()
ENDS_WELL = Life(DONE)


class _Process:
    def __init__(self, replica: Replica, life: Life) -> None:
        self.replica = replica
        self.life = life
        self.ended = asyncio.Event()
        self.exit = Exit("lost")

    def end(self, end: Exit) -> None:
        if not self.ended.is_set():
            self.exit = msgspec.structs.replace(end, ended=asyncio.get_running_loop().time())
            self.ended.set()


class FakeSite:
    def __init__(self, runner: "FakeRunner", spec: SiteSpec) -> None:
        self.spec = spec
        self._runner = runner

    @property
    def addresses(self) -> Mapping[str, str]:
        return {
            host: f"localhost:{3000 + number}" if self._runner.shares_network else f"{host}:2222"
            for number, host in enumerate(self.spec.hosts)
        }

    async def start(self, replica: Replica) -> Ref:
        return await self._runner.begin(self.spec.site_id, replica)


class FakeRunner:
    """``lives`` by label, one after the other; the last one comes again and again."""

    name = NAME

    def __init__(self, **lives: Life | Sequence[Life]) -> None:
        self.abilities = Abilities(images=True, cpus=64, memory_bytes=1 << 40)
        self.shares_network = False
        self.lives = {
            label.replace("_", "-replica-"): (life,) if isinstance(life, Life) else tuple(life)
            for label, life in lives.items()
        }
        self.sites: dict[str, FakeSite] = {}
        self.opened: list[SiteSpec] = []
        self.started: list[tuple[str, Replica]] = []
        self.stopped: list[tuple[str, ...]] = []
        self.processes: dict[tuple[str, str], _Process] = {}
        self._counts: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        return [replica.name for _, replica in self.started]

    @property
    def running(self) -> list[str]:
        return [name for (_, name), it in self.processes.items() if not it.ended.is_set()]

    def replica(self, name: str) -> Replica:
        return next(replica for _, replica in self.started if replica.name == name)

    def lose(self) -> None:
        """The machine goes, with every place and all that runs."""
        for process in self.processes.values():
            process.end(Exit("lost", message="the machine is gone"))
        self.sites.clear()

    async def open(self, spec: SiteSpec) -> FakeSite:
        self.opened.append(spec)
        return self.sites.setdefault(spec.site_id, FakeSite(self, spec))

    async def begin(self, site_id: str, replica: Replica) -> Ref:
        await asyncio.sleep(0)
        if site_id not in self.sites:
            raise OperatorError(f"The place {site_id} is gone.")
        count = self._counts[replica.task] = self._counts.get(replica.task, 0) + 1
        default = ENDS_WELL if replica.task.startswith("master") else SERVES
        table = self.lives.get(replica.task, (default,))
        life = table[min(count, len(table)) - 1]
        if life.refused:
            raise OperatorError(life.refused)
        if life.hangs:
            await asyncio.Event().wait()
        self.started.append((site_id, replica))
        process = self.processes[site_id, replica.name] = _Process(replica, life)
        if life.exit is not None:
            asyncio.get_running_loop().call_later(life.after_s, process.end, life.exit)
        return Ref(NAME, site_id, replica.name, replica.task)

    async def follow(self, ref: Ref, since: int) -> AsyncIterator[Line]:
        process = self.processes.get((ref.site_id, ref.name))
        for number, text in enumerate(process.life.lines if process else (), 1):
            if number > since:
                yield Line(number, 1.0, "stdout", text)
        if process:
            await process.ended.wait()

    async def wait(self, ref: Ref) -> Exit:
        process = self.processes.get((ref.site_id, ref.name))
        if process is None:
            return Exit("lost", message="nobody knows it")
        await process.ended.wait()
        return process.exit

    async def stop(self, refs: Sequence[Ref], grace_s: float) -> None:
        del grace_s
        self.stopped.append(tuple(ref.name for ref in refs))
        for ref in refs:
            process = self.processes.get((ref.site_id, ref.name))
            if process and not process.life.deaf:
                process.end(process.life.when_stopped)

    async def close(self, site_id: str) -> None:
        self.sites.pop(site_id, None)
        for (site, _), process in self.processes.items():
            if site == site_id:
                process.end(Exit("stopped", signal=9))

    async def forget(self, site_id: str) -> None:
        await self.close(site_id)

    async def reach(self, ref: Ref, listen: str) -> str | tuple[str, int]:
        raise NotImplementedError

    async def sweep(self, known: Collection[str]) -> list[str]:
        strange = [site for site in self.sites if site not in known]
        for site in strange:
            await self.close(site)
        return strange


class MeteredRunner(FakeRunner):
    """Counts CPU seconds: ``working`` names use some at every look."""

    def __init__(self, working: Collection[str] = (), **lives: Life | Sequence[Life]) -> None:
        super().__init__(**lives)
        self._working = working

    async def usage(self, refs: Sequence[Ref]) -> Mapping[str, float]:
        now = asyncio.get_running_loop().time()
        return {ref.name: now if ref.task in self._working else 0.0 for ref in refs}
