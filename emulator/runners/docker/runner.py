"""The Docker runner of one data directory."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import Any, Final

import msgspec
from docker.api.client import APIClient

from emulator.cluster import Exit, Line, Network, Ref, SiteSpec
from emulator.errors import OperatorError
from emulator.hosts import google_hosts
from emulator.runners import Abilities
from emulator.runners.docker import description, networks, reading
from emulator.runners.docker.containers import Containers
from emulator.runners.docker.engine import Engine, EngineLost, Refusal
from emulator.runners.docker.records import Records
from emulator.runners.docker.relay import Relay
from emulator.runners.docker.site import DockerSite
from emulator.runners.docker.volumes import Shared

log = logging.getLogger(__name__)

NAME: Final = "docker"
STARTS_AT_ONCE: Final = 4
SIZES_S: Final = 15.0

Image = Callable[[bool], Awaitable[str]]


class DockerRunner:
    """Its state is the engine's: containers, networks and volumes, labelled with the instance."""

    def __init__(
        self,
        engine: Engine,
        data_dir: Path,
        instance: str,
        *,
        image: Image,
        gpus: int = 0,
        regions: Sequence[str] = (),
    ) -> None:
        """``image`` is the relay's, see there; ``gpus`` is how many there are.

        ``regions`` are those whose own endpoints replicas may ask for.
        """
        self.engine = engine
        self.instance = instance
        self.bundle = data_dir / "authority" / "bundle.pem"
        self.names = google_hosts(regions)
        self.records = Records(data_dir / "sites")
        self.shared = Shared(engine, instance, data_dir / "staged")
        self.relay = Relay(engine, instance, data_dir / "relay.json", image)
        self.device_requests = False
        self._image = image
        self._gpus = gpus
        self._label = f"{description.LABEL_INSTANCE}={instance}"
        self._news = reading.News(engine, self._label, self._returned)
        self._each = Containers(engine, self._news)
        self.preparations = asyncio.Semaphore(STARTS_AT_ONCE)
        self.starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self._unclosed: set[str] = set()
        self._readmitted: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return NAME

    @property
    def abilities(self) -> Abilities:
        info = self.engine.info
        return Abilities(
            images=True,
            gpus=self._gpus,
            cpus=int(info.get("NCPU") or 1),
            memory_bytes=int(info.get("MemTotal") or 0),
            disk_bytes=_free(str(info.get("DockerRootDir", ""))),
        )

    def container(self, ref: Ref) -> str:
        """The name of a replica's container."""
        return f"cmle-{self.instance}-{ref.site_id}-{ref.name}"

    async def open(self, spec: SiteSpec) -> DockerSite:
        """See ``Runner.open``."""
        await self.ready()
        name = f"cmle-{self.instance}-{spec.site_id}"
        found = await networks.find_or_create(
            self.engine, name, self.instance, len(spec.hosts), site=spec.site_id
        )
        return DockerSite(self, spec, found)

    async def ready(self) -> None:
        """Have the relay at work, and lead to it what runs since before a restart."""
        self._news.begin()
        await self.relay.ready()
        if self._readmitted is None or (self._readmitted.done() and self._readmitted.exception()):
            self._readmitted = asyncio.create_task(self._readmit())
            self._spawn(self._each.watch_sizes(self._label, SIZES_S))
        await asyncio.shield(self._readmitted)

    @contextlib.contextmanager
    def starting(self, ref: Ref) -> Iterator[None]:
        """While it exists and has not run yet, it has not ended either."""
        name = self.container(ref)
        self._each.starting.add(name)
        try:
            yield
        finally:
            self._each.starting.discard(name)

    async def could_not_start(self, ref: Ref, end: Exit) -> None:
        """Keep the end of what never ran, and remove what there is of it."""
        await asyncio.to_thread(self.records.keep, ref.site_id, ref.name, end, ())
        with contextlib.suppress(OperatorError):
            await self._each.remove(self.container(ref))

    async def follow(self, ref: Ref, since: int) -> AsyncIterator[Line]:
        """See ``Runner.follow``."""
        try:
            async for line in self._each.follow(self.container(ref), since):
                since = line.seq
                yield line
        except Refusal as refusal:
            if not refusal.is_gone:
                raise
            for line in self.records.lines(ref, since):
                yield line

    async def wait(self, ref: Ref) -> Exit:
        """See ``Runner.wait``."""
        if end := self.records.end(ref):
            return end
        try:
            return await self._each.wait(self.container(ref))
        except Refusal as refusal:
            if not refusal.is_gone:
                raise
            lost = Exit("lost", message=f"The container of {ref.name} is gone.")
            return self.records.end(ref) or lost

    async def stop(self, refs: Sequence[Ref], grace_s: float) -> None:
        """See ``Runner.stop``."""
        names = [self.container(ref) for ref in refs]
        await asyncio.gather(*(self._each.stop(name, grace_s) for name in names))

    async def close(self, site_id: str) -> None:
        """See ``Runner.close``. With a lost engine it is done when that is back."""
        try:
            await self._close(site_id)
            self._unclosed.discard(site_id)
        except OperatorError as error:
            log.warning("What is left of %s is removed later: %s", site_id, error)
            self._unclosed.add(site_id)

    async def forget(self, site_id: str) -> None:
        """See ``Runner.forget``."""
        await self.close(site_id)
        await asyncio.to_thread(shutil.rmtree, self.records.folder(site_id), ignore_errors=True)

    async def reach(self, ref: Ref, listen: str) -> str | tuple[str, int]:
        """See ``Runner.reach``."""
        name = self.container(ref)
        found = await self.engine.call(lambda client: client.inspect_container(name))
        if not found["State"]["Running"]:
            raise OperatorError(f"The container of {ref.name} does not run.")
        try:
            port = description.port_of(found["Config"]["Labels"], listen)
        except (KeyError, ValueError):
            raise OperatorError(f"{ref.name} has no socket of the name {listen}.") from None
        (network,) = found["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"]), port

    async def usage(self, refs: Sequence[Ref]) -> Mapping[str, float]:
        """See ``Metered.usage``."""
        names = [ref.name for ref in refs]
        used = await asyncio.gather(*(self._each.cpu_seconds(self.container(ref)) for ref in refs))
        return {name: seconds for name, seconds in zip(names, used, strict=True) if seconds}

    async def sweep(self, known: Collection[str]) -> list[str]:
        """See ``Runner.sweep``."""
        try:
            found = {site for site, _ in await self._containers()}
            found |= {network.site_id for network in await self._networks()}
        except EngineLost as error:
            log.warning("Nothing was swept: %s", error)
            return []
        stray = sorted(found - {"", *known})
        await asyncio.gather(*(self.forget(site_id) for site_id in stray))
        self._spawn(self._warm_up(found - {"", *stray}))
        return stray

    async def stop_all(self, grace_s: float = 10.0) -> None:
        """End every place of this emulator, its relay and the volumes of packages.

        Lines and ends stay readable; packages are installed anew when a job asks for them.
        """
        try:
            containers = await self._containers()
            names = [name for site, name in containers if site]
            await asyncio.gather(*(self._each.stop(name, grace_s) for name in names))
            sites = {site for site, _ in containers}
            sites |= {network.site_id for network in await self._networks()}
            await asyncio.gather(*(self.close(site) for site in sites if site))
            await self.relay.close()
            await asyncio.gather(*(self._each.remove(name) for _, name in await self._containers()))
            await self.engine.call(self._remove_volumes)
        except OperatorError as error:
            log.warning("Not everything could be removed from the engine: %s", error)

    async def is_empty(self) -> bool:
        """Whether the engine has nothing of this emulator. OperatorError if it cannot say."""

        def work(client: APIClient) -> bool:
            ours = {"label": self._label}
            return not (
                client.containers(all=True, quiet=True, filters=ours)
                or client.networks(filters=ours)
                or client.volumes(filters=ours)["Volumes"]
            )

        return await self.engine.call(work)

    def _remove_volumes(self, client: APIClient) -> None:
        for volume in client.volumes(filters={"label": self._label})["Volumes"] or []:
            client.remove_volume(volume["Name"])

    async def let_go(self) -> None:
        """End the use of the engine, not what runs; nothing can be asked any more."""
        await self.relay.let_go()
        self._news.close()
        tasks = [*self._tasks, *filter(None, (self._readmitted,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.engine.close()

    # ---- a site

    async def _close(self, site_id: str) -> None:
        containers = [name for site, name in await self._containers() if site == site_id]
        await asyncio.gather(*(self._retire(site_id, name) for name in containers))
        for network in await self._networks(site_id):
            await self.relay.leave(network)
            await self._remove_network(network)

    async def _retire(self, site_id: str, name: str) -> None:
        """Remove a container; its end and what nobody read of its log are kept."""
        replica = name.removeprefix(f"cmle-{self.instance}-{site_id}-")
        if (found := await self._each.retire(name)) is not None:
            await asyncio.to_thread(self.records.keep, site_id, replica, *found)
        await self._each.remove(name)

    async def _remove_network(self, network: networks.Found) -> None:
        try:
            await self.engine.call(lambda client: client.remove_network(network.id))
        except Refusal as refusal:
            if not refusal.is_gone:
                raise

    # ---- all of them

    async def _containers(self) -> list[tuple[str, str]]:
        """Site and name of every container of this emulator; its own relay has no site."""

        def work(client: APIClient) -> list[tuple[str, str]]:
            rows = client.containers(all=True, filters={"label": self._label})
            site = description.LABEL_SITE
            return [(row["Labels"].get(site, ""), row["Names"][0][1:]) for row in rows]

        return await self.engine.call(work)

    async def _networks(self, site_id: str = "") -> list[networks.Found]:
        label = f"{description.LABEL_SITE}={site_id}" if site_id else description.LABEL_SITE

        def work(client: APIClient) -> list[networks.Found]:
            found = client.networks(filters={"label": [self._label, label]})
            return [networks.found(each) for each in found]

        return await self.engine.call(work)

    async def _readmit(self) -> None:
        """Tell the gateway of a restarted emulator who is who."""
        sites = {network.site_id: network for network in await self._networks()}
        rows = await self.engine.call(
            lambda client: client.containers(filters={"label": self._label})
        )
        for row in rows:
            network = sites.get(row["Labels"].get(description.LABEL_SITE, ""))
            known = row["Labels"].get(description.LABEL_NETWORK, "null")
            who = msgspec.json.decode(known, type=Network | None)
            if network is not None and who is not None:
                await self.relay.join(network, who)

    async def _warm_up(self, kept: Collection[str]) -> None:
        """Have the relay at work before the first job waits for it, if that needs no build."""
        try:
            if kept or await self._image(False):  # noqa: FBT003 one question
                await self.ready()
        except OperatorError as error:
            log.warning("The way of containers to the gateway is not open: %s", error)

    def _returned(self) -> None:
        for site_id in list(self._unclosed):
            self._spawn(self.close(site_id))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _free(folder: str) -> int:
    """What is free for containers; twice the usual limit where their folder is not here."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 2 * description.DISK_BYTES
