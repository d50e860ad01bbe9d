"""What a job needs before its module runs: a runtime, its packages fetched and installed."""

import asyncio
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from emulator.cluster import Bind, Exit, Isolation
from emulator.course import PreparationFailed
from emulator.errors import ApiError, OperatorError
from emulator.ledger import Report
from emulator.logs import SERVICE
from emulator.names import GcsUri
from emulator.objects import Objects
from emulator.patched_library import patched_for_bundle
from emulator.progress import Progress, Step
from emulator.resources import Job, TrainingInput
from emulator.runtimes import Runtime
from emulator.shipped import CAPTURE
from emulator.staging import InstallationFailed, Installer, Package
from emulator.training import PRELOADED, Prepared

_TRACE: Final = "Traceback (most recent call last):\n  [...]\nsubprocess.CalledProcessError: "


class RuntimeSource(Protocol):
    """Makes runtime versions ready: environments of this machine, or images."""

    async def ensure(
        self, version: str, python_version: str, progress: Progress = ...
    ) -> Runtime: ...


class Preparation:
    """Called with a project, a job and its log; answers what a replica of it runs with.

    ``level`` answers the isolation level that a job's replicas will have.
    """

    def __init__(
        self,
        objects: Objects,
        runtimes: RuntimeSource,
        installer: Installer,
        *,
        level: Callable[[TrainingInput], Isolation],
        bundle: Path,
        downloads: Path,
    ) -> None:
        self._objects = objects
        self._runtimes = runtimes
        self._installer = installer
        self._level = level
        self._bundle = bundle
        self._downloads = downloads

    async def __call__(self, project_id: str, job: Job, report: Report) -> Prepared:
        """PreparationFailed, with the end that the replica shows, where it cannot be had."""
        del project_id
        spec = job.training_input or TrainingInput()
        if not spec.runtime_version:
            return Prepared()  # all in the user's own images
        try:
            runtime = await self._runtime(spec, report)
            return await self._install(spec, runtime, report)
        except InstallationFailed as failure:
            text = f"{_TRACE}{failure}."
            raise PreparationFailed(Exit("exited", code=1, traceback=text)) from failure
        except OperatorError as error:
            report(str(error), "ERROR")
            raise PreparationFailed(Exit("failed_to_start", message=str(error))) from error

    async def _runtime(self, spec: TrainingInput, report: Report) -> Runtime:
        def progress(step: Step) -> None:
            report(f"{step.subject}: {step.text}", task=SERVICE)

        runtime = await self._runtimes.ensure(spec.runtime_version, spec.python_version, progress)
        if runtime.warning:
            report(runtime.warning, "WARNING", SERVICE)
        if self._level(spec) == "none":
            runtime = await patched_for_bundle(runtime, self._bundle)
        return runtime

    async def _install(self, spec: TrainingInput, runtime: Runtime, report: Report) -> Prepared:
        folder = self._downloads / secrets.token_hex(8)
        try:
            packages = [
                await self._fetch(uri, folder / str(number), report)
                for number, uri in enumerate(spec.package_uris)
            ]
            staged = await self._installer.install(packages, runtime, report)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        seen = staged.seen(self._level(spec))
        return Prepared(
            python=runtime.python,
            image=runtime.image,
            binds=(*runtime.binds, Bind(str(CAPTURE), str(CAPTURE)), *seen.binds),
            site_packages=seen.site_packages,
            python_path=(str(CAPTURE),),
            programs=(*seen.programs, f"{runtime.env_dir}/bin"),
            variables=runtime.variables,
            distributions=staged.distributions(),
            imports=PRELOADED if await asyncio.to_thread(staged.imports, PRELOADED[0]) else (),
        )

    async def _fetch(self, uri: str, folder: Path, report: Report) -> Package:
        name = uri.rsplit("/", 1)[-1]
        command = ("gsutil", "-q", "cp", uri, name)
        report(f"Downloading the package: {uri}")
        report(f"Running command: {' '.join(command)}")
        package = Package(uri, folder / name)
        try:
            await self._objects.download(GcsUri.parse(uri), package.path)
        except ApiError as error:
            report(str(error), "ERROR")
            text = f"Command '{list(command)}' returned non-zero exit status 1"
            report(text, "ERROR")
            raise InstallationFailed(text) from error
        return package
