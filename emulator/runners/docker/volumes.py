"""Folders in the engine's volumes, made once: installed packages, files of the emulator's own."""

import asyncio
import contextlib
import hashlib
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from docker.api.client import APIClient

from emulator.cluster import Bind
from emulator.runners.docker.description import labels
from emulator.runners.docker.engine import Engine, Refusal
from emulator.runners.docker.files import VOLUME, Archive

_TIMES: Final = 20
_BETWEEN_S: Final = 0.25


class Volumes:
    """A volume for each key, its name in a file: the shelf of ``staging.Installer``.

    ``role`` is a label of theirs. A volume without its file was never finished, and goes when
    the key is made again, or with all of the emulator's at its end.
    """

    def __init__(self, engine: Engine, instance: str, staged: Path, role: str = "packages") -> None:
        self.locks = staged
        self._role = role
        self._engine = engine
        self._instance = instance

    async def find(self, key: str) -> str:
        """See ``staging.Shelf.find``."""
        name = self._recorded(key)
        if not name:
            return ""
        try:
            await self._engine.call(lambda client: client.inspect_volume(name))
        except Refusal as refusal:
            if not refusal.is_missing:
                raise
            return ""
        return VOLUME + name

    @contextlib.asynccontextmanager
    async def making(self, key: str) -> AsyncIterator["_Volume"]:
        """See ``staging.Shelf.making``."""
        await self._tidy(key)
        name = f"cmle-{self._instance}-{self._role}-{key[:12]}-{secrets.token_hex(4)}"
        named = labels(self._instance, role=self._role, key=key)
        work_dir = self.locks / f".{key}.work"
        try:
            work_dir.mkdir(parents=True)
            await self._engine.call(lambda client: client.create_volume(name, labels=named))
            yield _Volume(work_dir, name, self.locks / f"{key}.volume")
        finally:
            await asyncio.to_thread(shutil.rmtree, work_dir, ignore_errors=True)
            if self._recorded(key) != name:
                await self._remove(name)

    async def _tidy(self, key: str) -> None:
        """Remove what was never finished."""
        named = labels(self._instance, role=self._role, key=key)
        filters = {"label": [f"{label}={value}" for label, value in named.items()]}

        def work(client: APIClient) -> list[str]:
            return [each["Name"] for each in client.volumes(filters=filters)["Volumes"] or ()]

        for name in await self._engine.call(work):
            if self._recorded(key) != name:
                await self._remove(name)
        for stale in self.locks.glob(f".{key}.*"):
            await asyncio.to_thread(shutil.rmtree, stale, ignore_errors=True)

    def _recorded(self, key: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.locks / f"{key}.volume").read_text()
        return ""

    async def _remove(self, name: str) -> None:
        """A container that was removed may hold it for another moment."""
        for last in [False] * _TIMES + [True]:
            try:
                await self._engine.call(lambda client: client.remove_volume(name))
            except Refusal as refusal:
                if refusal.is_missing:
                    return
                if not refusal.is_conflict or last:
                    raise
                await asyncio.sleep(_BETWEEN_S)
            else:
                return


class _Volume:
    """See ``staging.Making``."""

    def __init__(self, work_dir: Path, name: str, record: Path) -> None:
        self.work_dir = work_dir
        self.root = VOLUME + name
        self._name = name
        self._record = record

    async def keep(self) -> str:
        fresh = self._record.with_suffix(".new")
        fresh.write_text(self._name)
        fresh.replace(self._record)
        return self.root


class Shared:
    """Read-only folders that are the same in many containers: filled once, found by contents.

    An archive for each container would cost the engine a process of its own every time.
    """

    def __init__(self, engine: Engine, instance: str, staged: Path) -> None:
        self._engine = engine
        self._instance = instance
        self._volumes = Volumes(engine, instance, staged, "shared")
        self._turn = asyncio.Lock()

    async def bind(self, target: str, image: str, fill: Callable[[Archive], None]) -> Bind:
        """A volume with what ``fill`` puts below ``target``; any ``image`` of the engine does."""
        data = await asyncio.to_thread(_filled, fill)
        key = hashlib.sha256(target.encode() + b"\0" + data).hexdigest()
        async with self._turn:
            root = await self._volumes.find(key) or await self._make(key, target, image, data)
        return Bind(root, target)

    async def _make(self, key: str, target: str, image: str, data: bytes) -> str:
        """Through a container that is never started."""
        name = f"cmle-{self._instance}-fill-{key[:12]}"

        def remove(client: APIClient) -> None:
            client.remove_container(name, force=True, v=True)

        def work(client: APIClient, volume: str) -> None:
            client.create_container_from_config(described(volume), name)
            try:
                client.put_archive(name, "/", data)
            finally:
                remove(client)

        def described(volume: str) -> dict[str, Any]:
            mount: dict[str, Any] = {"Type": "volume", "Source": volume, "Target": target}
            mount["VolumeOptions"] = {"NoCopy": True}
            return {
                "Image": image,
                "Entrypoint": ["-"],
                "Labels": labels(self._instance, role="fill"),
                "HostConfig": {"NetworkMode": "none", "Mounts": [mount]},
            }

        with contextlib.suppress(Refusal):  # of an emulator that was killed meanwhile
            await self._engine.call(remove)
        async with self._volumes.making(key) as making:
            volume = making.root.removeprefix(VOLUME)
            await self._engine.call(lambda client: work(client, volume))
            return await making.keep()


def _filled(fill: Callable[[Archive], None]) -> bytes:
    archive = Archive()
    try:
        fill(archive)
        data = archive.finished()
        return data if isinstance(data, bytes) else data.read()
    finally:
        archive.close()
