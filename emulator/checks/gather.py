"""Evidence is gathered here: built, listed, installed, imported; all of it without training."""

import asyncio
import contextlib
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator import catalog, tf_config
from emulator.checks import building, contents, environments, probing, sources, way_out
from emulator.checks.evidence import (
    Archive,
    Build,
    Evidence,
    Installation,
    Probe,
    Request,
    RuntimeFacts,
)
from emulator.checks.packing import module_of
from emulator.checks.request import JOB_DIR
from emulator.checks.sources import Subject
from emulator.cluster import Bind, Exit, Isolation, Replica, SiteSpec
from emulator.datadir import DataDir
from emulator.errors import OperatorError
from emulator.kept import Kept
from emulator.package_index import PackageIndex
from emulator.progress import Progress
from emulator.resources import ParameterSpec
from emulator.runners import Site
from emulator.runners.process import ProcessRunner
from emulator.runtimes import Runtime, Runtimes
from emulator.shipped import PACKAGE
from emulator.staging import Folders, InstallationFailed, Installer, Package

NOT_A_PACKAGE: Final = (
    "[{path}] is not a valid Python package because it does not contain an "
    "`__init__.py` file. Please create one and try again."
)
NO_IMPORT: Final = (
    "The module was not imported: processes cannot be isolated on this machine. "
    "--isolation none imports it all the same."
)
_BUILD_S: Final = 60.0
_INSTALL_S: Final = 900.0
_PRELOAD_S: Final = 240.0
_OUT: Final = "/tmp/cmle-build"  # noqa: S108 - of the sandbox's own /tmp
_UNREACHED: Final = ("Tunnel connection failed", "NewConnectionError", "Connection refused")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How to gather: where things are kept, and what may run how.

    ``built`` is the folder in which the archives stay, if they are wanted afterwards;
    ``kept`` has installations of earlier checks and jobs.
    """

    runtimes: Runtimes
    index: PackageIndex
    environment: Mapping[str, str]
    isolation: Isolation
    imports: bool = True
    deadline_s: float = 20.0
    built: Path | None = None
    kept: Kept | None = None


async def gather(
    subject: Subject, request: Request, settings: Settings, progress: Progress
) -> Evidence:
    """Everything that rules look at; what could not be had stands in ``not_checked``."""
    working = Path.cwd()
    runtime, facts, missing = await _runtime(request, settings, progress)
    evidence = Evidence(
        root=subject.shown("", working),
        package=subject.package,
        request=request,
        runtime=facts,
        not_checked=tuple(filter(None, (missing,))),
    )
    if subject.archive is None:
        evidence = _with_files(evidence, subject, working)
        if evidence.not_a_package:
            return evidence
    with tempfile.TemporaryDirectory(prefix="cmle-check-", ignore_cleanup_errors=True) as folder:
        async with _place(Path(folder) / "data", settings) as (data_dir, runner, site):
            work = _Work(evidence, subject, settings, data_dir, runner, site)
            return await work.run(runtime, working)


def _with_files(evidence: Evidence, subject: Subject, working: Path) -> Evidence:
    package = subject.root / subject.package
    whole = (package / "__init__.py").is_file()
    shown = subject.shown(subject.package, working)
    files = sources.data_files(subject.root, subject.package)
    beside = sources.beside(subject.root)
    return msgspec.structs.replace(
        evidence,
        sources=tuple(sources.read(subject, working, evidence.runtime.python)),
        data_files=files,
        beside=beside,
        texts=sources.requirements(subject.root, (*files, *beside)),
        not_a_package="" if whole else NOT_A_PACKAGE.format(path=shown),
    )


async def _runtime(
    request: Request, settings: Settings, progress: Progress
) -> tuple[Runtime | None, RuntimeFacts, str]:
    version, python = request.training.runtime_version, request.training.python_version
    versions = catalog.load().runtimes
    if refusal := versions.refusal(version, python):
        known = versions.runtimes.get(version)
        facts = RuntimeFacts(version, _pair(python), known.tensorflow if known else "2.11.0")
        return None, facts, f"Installation and import: {refusal}"
    runtime = await settings.runtimes.ensure(version, python, progress)
    facts = await asyncio.to_thread(environments.facts, runtime)
    return runtime, facts, runtime.warning


def _pair(python: str) -> tuple[int, int]:
    major, _, minor = python.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (3, 7)


@contextlib.asynccontextmanager
async def _place(
    root: Path, settings: Settings
) -> AsyncIterator[tuple[DataDir, ProcessRunner, Site]]:
    """A data directory of the check's own, with the way to the index and one site."""
    data_dir = DataDir(root)
    data_dir.open()
    runner = ProcessRunner(data_dir.root, data_dir.instance)
    site_id = f"check-{secrets.token_hex(4)}"
    try:
        async with way_out.opened(data_dir, settings.environment, time.time()):
            try:
                yield data_dir, runner, await runner.open(SiteSpec(site_id, grace_s=5.0))
            finally:
                await runner.stop_all(0.0)
    finally:
        data_dir.close()


class _Work:
    """One gathering: the probe imports libraries while the package is built and installed."""

    def __init__(
        self,
        evidence: Evidence,
        subject: Subject,
        settings: Settings,
        data_dir: DataDir,
        runner: ProcessRunner,
        site: Site,
    ) -> None:
        self._evidence = evidence
        self._subject = subject
        self._settings = settings
        self._data_dir = data_dir
        self._runner = runner
        self._site = site
        self._missing: list[str] = list(evidence.not_checked)

    async def run(self, runtime: Runtime | None, working: Path) -> Evidence:
        """The probe begins at once: libraries take longer than building and installing."""
        if self._subject.archive is not None:
            archive = await asyncio.to_thread(contents.read, self._subject.archive)
            self._take_archive(archive, working)
        module = module_of(self._evidence)
        if runtime is not None and not self._settings.imports:
            self._missing.append(NO_IMPORT)
        if runtime is None or not module or not self._settings.imports:
            return self._answer(*await self._prepare(runtime), None)
        with self._cell("probe") as cell:
            preload = self._preload()
            early = asyncio.create_task(self._probe(runtime, cell, module, preload))
            try:
                build, archives, installation = await self._prepare(runtime)
                probe = None
                if installation.done and not (preload and self._replaces(installation, archives)):
                    cell.tell(self._packages(runtime))
                    probe = await early
            finally:
                early.cancel()
                await asyncio.gather(early, return_exceptions=True)
        if installation.done and probe is None:
            with self._cell("again") as cell:
                cell.tell(self._packages(runtime))
                probe = await self._probe(runtime, cell, module, ())
        return self._answer(build, archives, installation, probe)

    async def _prepare(
        self, runtime: Runtime | None
    ) -> tuple[Build, tuple[Archive, ...], Installation]:
        """Build, list and install, as far as it goes."""
        build, files = await self._starting(runtime)
        archives = tuple([await asyncio.to_thread(contents.read, path) for path in files])
        expected = Installation(files=environments.expected(archives))
        usable = archives and not any(archive.refusal for archive in archives)
        if runtime is None or not usable or build.failure:
            return build, archives, expected
        return build, archives, await self._install(runtime, files, expected)

    def _cell(self, name: str) -> contextlib.AbstractContextManager[probing.Cell]:
        root = self._data_dir.root
        return probing.cell(root / name, self._data_dir.staged, self._settings.isolation)

    def _replaces(self, installation: Installation, archives: tuple[Archive, ...]) -> bool:
        """Whether libraries that were imported early are not the ones that the package gets."""
        base = self._evidence.runtime.distributions
        requires = environments.requires(archives)
        return bool(environments.replaces(installation.distributions, base)) or any(
            it.name in base and not it.allows(base[it.name]) for it in requires
        )

    def _answer(
        self,
        build: Build,
        archives: tuple[Archive, ...],
        installation: Installation,
        probe: Probe | None,
    ) -> Evidence:
        return msgspec.structs.replace(
            self._evidence,
            build=build,
            archives=archives,
            installation=installation,
            probe=probe,
            not_checked=tuple(dict.fromkeys(self._missing)),
        )

    def _take_archive(self, archive: Archive, working: Path) -> None:
        shown = self._subject.shown(archive.name, working)
        read = sources.read_archive(archive, shown, self._evidence.runtime.python)
        packages = sorted(it.module for it in read if it.inside == f"{it.module}/__init__.py")
        package = "trainer" if "trainer" in packages else (packages or [""])[0]
        self._evidence = msgspec.structs.replace(
            self._evidence, root=shown, sources=tuple(read), package=package
        )

    async def _starting(self, runtime: Runtime | None) -> tuple[Build, list[Path]]:
        if self._subject.archive is not None:
            return Build(), [self._subject.archive]
        generated = "setup.py" not in self._evidence.beside
        out = self._settings.built or self._data_dir.root / "built"
        out.mkdir(exist_ok=True)
        enclosed = self._settings.isolation == "namespaces"
        seen = _OUT if enclosed else str(out)
        package = str(self._subject.root / self._subject.package)
        binds = (
            Bind(str(PACKAGE), str(PACKAGE)),
            Bind(str(self._subject.root), str(self._subject.root)),
            Bind(str(out), _OUT, writable=True),
            *(runtime.binds if runtime else ()),
        )
        replica = Replica(
            name="build",
            task="build",
            argv=(
                *(sys.executable, "-B", "-m", building.__name__),
                *(package, seen, runtime.python if runtime else ""),
            ),
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
            | {"PYTHONPATH": str(PACKAGE.parent)},
            work_dir=str(out),
            binds=binds if enclosed else (),
            isolation=self._settings.isolation,
            memory_bytes=probing.MEMORY_BYTES if enclosed else None,
        )
        end, said = await self._run(replica, _BUILD_S)
        if end is None:
            return Build(generated=generated, failure=said, hung=True), []
        failure = out / building.FAILURE
        if end.code == 1:
            raise OperatorError(f"The package could not be built, by no fault of its own:\n{said}")
        if end.code != 0:
            text = failure.read_text() if failure.is_file() else said
            return Build(generated=generated, failure=text or end.message or "it was killed"), []
        files = sorted(path for path in out.iterdir() if path.is_file())
        return Build(generated=generated), files

    async def _run(self, replica: Replica, deadline_s: float) -> tuple[Exit | None, str]:
        """Run to the end, or None for its end when the deadline came first; and its last words."""
        ref = await self._site.start(replica)
        end: Exit | None
        try:
            async with asyncio.timeout(deadline_s):
                end = await self._runner.wait(ref)
        except TimeoutError:
            end = None
            await self._runner.stop([ref], 0.0)
        lines = [line.text async for line in self._runner.follow(ref, 0)]
        return end, "\n".join(lines[-40:])

    def _preload(self) -> tuple[str, ...]:
        """The environment's libraries that the package imports."""
        package = f"{self._evidence.package}."
        own = [it for it in self._evidence.sources if f"{it.module}.".startswith(package)]
        known = self._evidence.runtime.modules - self._evidence.first_party
        return probing.imported(own, known)

    async def _probe(
        self, runtime: Runtime, cell: probing.Cell, module: str, preload: tuple[str, ...]
    ) -> Probe:
        training = self._evidence.request.training
        job_dir = training.job_dir or ("" if self._evidence.request.path else JOB_DIR)
        spec = training.hyperparameters
        values = {it.parameter_name: sample(it) for it in spec.params} if spec else {}
        argv = tf_config.user_args(training.args, job_dir, values)
        plan = probing.plan(
            cell.seen, module, argv, self._evidence.sources, self._settings.deadline_s
        )
        plan = msgspec.structs.replace(plan, preload=preload)
        replica = probing.replica(cell.folder.name, cell, plan, runtime)
        deadline = _PRELOAD_S + _INSTALL_S + 3 * self._settings.deadline_s
        _, said = await self._run(replica, deadline)
        base = runtime.library
        shown = f"{self._evidence.root}/" if self._evidence.root not in {"", "."} else ""
        paths = {f"/root/.local/{base}/": shown, "/root/.local/bin/": shown}
        for staged in self._staged():
            paths |= {f"{staged}/{base}/": shown, f"{staged}/bin/": shown}
        return probing.read(cell, paths, said)

    def _staged(self) -> list[Path]:
        return [path for path in self._data_dir.staged.iterdir() if path.is_dir()]

    def _packages(self, runtime: Runtime) -> dict[str, Any]:
        """Where the installed packages are, as the probe sees them."""
        root = self._staged()[0]
        names = sorted(self._evidence.first_party)
        names += [f"{name}.py" for name in names]
        if self._settings.isolation == "none":
            folders = [f"{root}/{runtime.library}", f"{root}/bin"]
            return {"site_packages": folders, "names": names}
        home = "/root/.local"
        return {
            "link": [f"{probing.STAGED}/{root.name}", home],
            "site_packages": [f"{home}/{runtime.library}", f"{home}/bin"],
            "names": names,
        }

    async def _install(
        self, runtime: Runtime, files: list[Path], expected: Installation
    ) -> Installation:
        log: list[str] = []

        def report(message: str, severity: str = "INFO") -> None:
            del severity
            log.append(message)

        installer = Installer(
            self._runner,
            Folders(self._data_dir.staged, self._settings.kept),
            isolation=self._settings.isolation,
            index=self._settings.index,
        )
        packages = [Package(f"gs://bucket/{path.name}", path) for path in files]
        try:
            async with asyncio.timeout(_INSTALL_S):
                staged = await installer.install(packages, runtime, report)
        except InstallationFailed as failure:
            if any(mark in line for line in log for mark in _UNREACHED):
                self._missing.append(
                    "Installation and import: the package index could not be reached. "
                    f"{next(line for line in log if any(mark in line for mark in _UNREACHED))}"
                )
                return expected
            return msgspec.structs.replace(expected, failure=str(failure), log=tuple(log))
        except TimeoutError:
            text = f"pip did not end within {_INSTALL_S:.0f} s"
            return msgspec.structs.replace(expected, failure=text, log=tuple(log))
        return await asyncio.to_thread(environments.installed, Path(staged.root), runtime, log)


def sample(param: ParameterSpec) -> str:
    """One value of a hyperparameter, as a trial would get it."""
    if param.categorical_values:
        return param.categorical_values[0]
    value = param.discrete_values[0] if param.discrete_values else param.min_value
    return str(int(value)) if param.type == "INTEGER" else str(float(value))
