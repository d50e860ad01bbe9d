"""Installed packages in the engine's volumes: nothing of them lies on this machine."""

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from docker.api.client import APIClient

from emulator.runners.docker.description import labels
from emulator.runners.docker.engine import Engine, Refusal
from emulator.runners.docker.files import VOLUME

ROLE: Final = "packages"
_TIMES: Final = 20
_BETWEEN_S: Final = 0.25


class Volumes:
    """The shelf of ``staging.Installer``: a volume for each key, its name in a file.

    A volume without its file was never finished, and goes when the key is made again, or with
    all of the emulator's at its end.
    """

    def __init__(self, engine: Engine, instance: str, staged: Path) -> None:
        self.locks = staged
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
        name = f"cmle-{self._instance}-packages-{key[:12]}-{secrets.token_hex(4)}"
        named = labels(self._instance, role=ROLE, key=key)
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
        named = labels(self._instance, role=ROLE, key=key)
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
