"""The rollout of a model version: its files copied, its model checked, its server started."""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from emulator import deployment
from emulator.catalog import Machine
from emulator.deployment import CREATE_FAILED, Deployment
from emulator.errors import ApiError, FailedPrecondition, OperatorError
from emulator.names import GcsUri
from emulator.objects import Objects
from emulator.prediction import ServerFailed
from emulator.resources import Version
from emulator.runtimes import Runtime
from emulator.savedmodel import SavedModel, SavedModelError

MODEL_FOLDER: Final = "0001"

EnsureRuntime = Callable[[str, str], Awaitable[Runtime]]


class RolloutFailed(Exception):
    """The text of a failed CREATE_VERSION operation."""


class Servers(Protocol):
    """``emulator.prediction.Predictions``, as far as a rollout needs it."""

    def knows(self, key: str) -> bool: ...
    def add(self, deployment: Deployment) -> None: ...
    async def deploy(self, deployment: Deployment) -> None: ...
    async def undeploy(self, key: str) -> None: ...


class Rollout:
    """Brings versions into service and takes them out; ``folder`` keeps the models' copies."""

    def __init__(
        self,
        objects: Objects,
        servers: Servers,
        ensure: EnsureRuntime,
        folder: Path,
        machines: Mapping[str, Machine],
    ) -> None:
        """``machines`` are the types that a version may name."""
        self._objects = objects
        self._servers = servers
        self._ensure = ensure
        self._folder = folder
        self._machines = machines

    async def check(self, version: Version) -> None:
        """Refuse, while the request waits, a deployment directory that breaks a rule."""
        files = await self._files(GcsUri.parse(version.deployment_uri))
        violations = list(
            deployment.file_violations(version.deployment_uri, files, version.machine_type)
        )
        if violations:
            raise FailedPrecondition.of(*violations)

    async def deploy(self, name: str, version: Version) -> None:
        """Copy, check, start; a second call after an interrupted one begins anew."""
        model_dir = self._place(name) / MODEL_FOLDER
        await self._copy(GcsUri.parse(version.deployment_uri), model_dir)
        try:
            model = await asyncio.to_thread(SavedModel.read, model_dir)
        except SavedModelError as error:
            raise RolloutFailed(deployment.unreadable(error, str(model_dir))) from error
        if flaw := deployment.flaw(model):
            raise RolloutFailed(flaw)
        try:
            await self._servers.deploy(await self._deployment(name, version))
        except (OperatorError, ServerFailed) as error:
            text = str(error)
            raise RolloutFailed(
                text if text.startswith(CREATE_FAILED) else CREATE_FAILED + text
            ) from error

    async def recall(self, name: str, version: Version) -> None:
        """Make a version known again whose rollout was before a restart."""
        if not self._servers.knows(name):
            known = await self._deployment(name, version)
            if not self._servers.knows(name):
                self._servers.add(known)

    async def remove(self, name: str, version: Version) -> None:
        """Stop the server and forget the copy."""
        with contextlib.suppress(OperatorError):
            await self.recall(name, version)
        await self._servers.undeploy(name)
        await asyncio.to_thread(shutil.rmtree, self._place(name), ignore_errors=True)

    async def _deployment(self, name: str, version: Version) -> Deployment:
        runtime = await self._ensure(version.runtime_version, version.python_version)
        return Deployment(
            key=name,
            model_dir=str(self._place(name) / MODEL_FOLDER),
            python=runtime.python,
            image=runtime.image,
            binds=runtime.binds,
            variables=runtime.variables,
            threads=self._cores(version.machine_type),
        )

    async def _copy(self, uri: GcsUri, target: Path) -> None:
        await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
        root = target.resolve()
        base = _folder_of(uri)
        try:
            for name in await self._files(uri):
                path = (root / name).resolve()
                if not path.is_relative_to(root):
                    raise RolloutFailed(
                        f"{CREATE_FAILED}The object name {name!r} leads out of the model "
                        "directory. Rename it."
                    )
                await self._objects.download(GcsUri(uri.bucket, base + name), path)
        except (ApiError, OSError) as error:
            raise RolloutFailed(f"{CREATE_FAILED}Copying {uri} failed: {error}") from error

    async def _files(self, uri: GcsUri) -> dict[str, int]:
        """Sizes by name below the folder; the folder's own markers are no files."""
        base = _folder_of(uri)
        return {
            found.name.removeprefix(base): found.size
            for found in await self._objects.list(uri)
            if not found.name.endswith("/")
        }

    def _place(self, name: str) -> Path:
        return self._folder / hashlib.sha256(name.encode()).hexdigest()[:20]

    def _cores(self, machine_type: str) -> int:
        """The cores of the machine type, as far as this machine has them."""
        machine = self._machines.get(machine_type)
        return min(machine.cpus if machine else 1, os.cpu_count() or 1)


def _folder_of(uri: GcsUri) -> str:
    return uri.object if not uri.object or uri.object.endswith("/") else f"{uri.object}/"
