"""One job's place on the engine: its network, and how a replica is put into it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Protocol

import msgspec
from docker.api.client import APIClient

from emulator.cluster import PORT, WORK_TARGET, Bind, Exit, Ref, Replica, SiteSpec
from emulator.environment import SYSTEM_BUNDLE
from emulator.errors import OperatorError
from emulator.runners import Abilities
from emulator.runners.docker import description, ends, files
from emulator.runners.docker.engine import Engine, Refusal
from emulator.runners.docker.networks import Found
from emulator.runners.docker.relay import Relay
from emulator.runners.docker.volumes import Shared
from emulator.runners.variables import with_variables
from emulator.shipped import SHIMS

_OWN_FOLDERS: Final = ("/root", WORK_TARGET)
_LISTENING: Final = SHIMS / "listening.py"


class Ground(Protocol):
    """The runner, as a site sees it."""

    engine: Engine
    relay: Relay
    shared: Shared
    instance: str
    bundle: Path
    names: tuple[str, ...]
    device_requests: bool
    preparations: asyncio.Semaphore
    starts: asyncio.Semaphore

    @property
    def name(self) -> str: ...
    @property
    def abilities(self) -> Abilities: ...
    def container(self, ref: Ref) -> str: ...
    def starting(self, ref: Ref) -> AbstractContextManager[None]: ...
    async def could_not_start(self, ref: Ref, end: Exit) -> None: ...


class _Image(msgspec.Struct, frozen=True):
    """``work_dir`` is where its program begins; for ``is_ready`` see ``files.READY``."""

    name: str
    work_dir: str
    is_ready: bool


class DockerSite:
    """A site whose network exists."""

    def __init__(self, runner: Ground, spec: SiteSpec, network: Found) -> None:
        self._runner = runner
        self._spec = spec
        self._network = network
        subnet = network.subnet
        self._hosts = {host: subnet.of_host(n) for n, host in enumerate(spec.hosts)}
        self._images: dict[str, _Image] = {}
        self._shared: dict[str, Bind] = {}  # by target
        self._sharing = asyncio.Lock()

    @property
    def addresses(self) -> Mapping[str, str]:
        """See ``Site.addresses``: the engine's name server knows the host names."""
        return {host: f"{host}:{PORT}" for host in self._spec.hosts}

    async def start(self, replica: Replica) -> Ref:
        """See ``Site.start``."""
        ref = Ref(self._runner.name, self._spec.site_id, replica.name, replica.task)
        if not replica.image:
            raise OperatorError(
                f"The process {replica.name} names no container image, and the Docker runner has "
                "nothing else to run. Serve with --runner process."
            )
        if replica.hostname and self._hosts and replica.hostname not in self._hosts:
            raise OperatorError(f"{replica.hostname} is not a host of this site.")
        files.refuse_writable(replica.binds)
        replica = msgspec.structs.replace(replica, isolation="container")
        with self._runner.starting(ref):
            try:
                async with self._runner.preparations:
                    await self._prepare(replica, ref)
                async with self._runner.starts:
                    name = self._runner.container(ref)
                    await self._runner.engine.call(lambda client: client.start(name))
            except Refusal as refusal:
                if refusal.is_conflict:
                    raise OperatorError(
                        f"The process {replica.name} of {ref.site_id} was started already."
                    ) from refusal
                message = ends.explained(refusal.text)
                await self._runner.could_not_start(ref, Exit("failed_to_start", message=message))
        return ref

    async def _prepare(self, replica: Replica, ref: Ref) -> None:
        """Make the container, ahead of its turn to start."""
        image = await self._image(replica.image)
        if image.is_ready:
            replica = await self._with_shared(replica)
        gateway = self._network.subnet.relay if replica.network is not None else ""
        joining = asyncio.create_task(self._join(replica))
        try:
            around = description.Surroundings(
                instance=self._runner.instance,
                site_id=ref.site_id,
                container=self._runner.container(ref),
                network=self._network.name if gateway or self._is_reached(replica) else "",
                gateway=gateway,
                cpus=self._runner.abilities.cpus,
                work_dir=image.work_dir,
                names=self._runner.names,
                hosts=self._hosts,
                device_requests=self._runner.device_requests,
            )
            described = description.container(
                with_variables(replica, self._runner.bundle, self._spec.hosts), around
            )
            archive = await asyncio.to_thread(self._archive, replica, image)
            data = b"" if archive.is_empty else archive.finished()
            try:
                await self._runner.engine.call(
                    lambda client: _create(client, around.container, described, data)
                )
            finally:
                archive.close()
            await joining
        finally:
            joining.cancel()
            await asyncio.gather(joining, return_exceptions=True)

    async def _image(self, name: str) -> _Image:
        if (known := self._images.get(name)) is None:
            found = await self._runner.engine.call(lambda client: client.inspect_image(name))
            config = found["Config"] or {}
            said = str(config.get("WorkingDir") or "")
            work_dir = said if said not in {"", "/"} else WORK_TARGET
            is_ready = files.READY in (config.get("Labels") or {})
            known = self._images[name] = _Image(name, work_dir, is_ready)
        return known

    async def _with_shared(self, replica: Replica) -> Replica:
        """What is the same in all containers comes in volumes: the emulator's own files."""
        binds = []
        async with self._sharing:
            for bind in replica.binds:
                source = Path(bind.source)
                if source.is_dir() and source.is_relative_to(SHIMS):
                    binds.append(await self._once(replica.image, source, bind.target, _copied))
                else:
                    binds.append(bind)
            if (bundle := self._bundle(replica)) is not None:
                target = str(PurePosixPath(SYSTEM_BUNDLE).parent)
                binds.append(await self._once(replica.image, bundle, target, _authorities))
        return msgspec.structs.replace(replica, binds=tuple(binds))

    async def _once(self, image: str, source: Path, target: str, fill: "_Fill") -> Bind:
        if (known := self._shared.get(target)) is None:
            known = self._shared[target] = await self._runner.shared.bind(
                target, image, lambda archive: fill(archive, source, target)
            )
        return known

    async def _join(self, replica: Replica) -> None:
        if replica.network is not None:
            await self._runner.relay.join(self._network, replica.network)
        if replica.listen:
            await self._runner.relay.visit(self._network)

    def _is_reached(self, replica: Replica) -> bool:
        return bool(replica.listen or replica.hostname in self._spec.hosts)

    def _archive(self, replica: Replica, image: _Image) -> files.Archive:
        archive = files.Archive()
        has = _OWN_FOLDERS if image.is_ready else ()
        for folder in dict.fromkeys((*_OWN_FOLDERS, image.work_dir)):
            if folder not in has:
                archive.folder(folder, 0o700 if folder == "/root" else 0o755)
        for bind in replica.binds:
            if not files.volume_of(bind):
                archive.copy(Path(bind.source), bind.target)
            elif bind.writable:
                archive.folder(bind.target)
        if replica.work_dir:
            archive.copy(Path(replica.work_dir), image.work_dir)
        if replica.listen:
            archive.copy(_LISTENING, description.LISTENER)
        if not image.is_ready and (bundle := self._bundle(replica)) is not None:
            archive.authorities(bundle.read_bytes())
        return archive

    def _bundle(self, replica: Replica) -> Path | None:
        """Our authority alone where nobody else can be reached: TensorFlow reads it all often."""
        network = replica.network
        if network is None:
            return None
        alone = network.scope == "google" and not network.allow_hosts
        own, whole = self._runner.bundle.with_name("ca.pem"), self._runner.bundle
        return next((path for path in ([own] if alone else []) + [whole] if path.exists()), None)


def _create(
    client: APIClient, name: str, described: dict[str, Any], data: bytes | IO[bytes]
) -> None:
    made = client.create_container_from_config(described, name)["Id"]
    if not data:
        return
    try:
        client.put_archive(made, "/", data)
    except BaseException:
        client.remove_container(made, force=True, v=True)
        raise


_Fill = Callable[[files.Archive, Path, str], None]


def _copied(archive: files.Archive, source: Path, target: str) -> None:
    archive.copy(source, target)


def _authorities(archive: files.Archive, source: Path, target: str) -> None:
    archive.content(
        str(PurePosixPath(target, PurePosixPath(SYSTEM_BUNDLE).name)), source.read_bytes()
    )
