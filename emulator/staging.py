"""Packages installed as the service installs them, once per archive contents and runtime."""

import asyncio
import contextlib
import hashlib
import itertools
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Protocol

import msgspec

from emulator import archives
from emulator.cluster import Bind, Isolation, SiteSpec
from emulator.errors import CmleError, OperatorError
from emulator.folder_lock import exclusive
from emulator.installation import Grounds, installation, pip_commands, user_base
from emulator.kept import Kept
from emulator.package_index import PackageIndex
from emulator.runners import Runner, Site
from emulator.runtimes import Runtime
from emulator.severity import rate
from emulator.shipped import SHIMS

RECIPE: Final = 1  # part of every key: a change in how packages are installed
_TRIES: Final = 2
_MOST_SOURCES: Final = 1000  # a trainer has a few; its dependencies may have many
_SEEN: Final = ("bin", "lib")


class Report(Protocol):
    """Takes a log line in the service's words."""

    def __call__(self, message: str, severity: str = "INFO") -> None: ...


class Package(msgspec.Struct, frozen=True):
    """A package as the job names it, and the file it was downloaded to."""

    uri: str
    path: Path

    @property
    def basename(self) -> str:
        return self.uri.rsplit("/", 1)[-1]


class InstallationFailed(CmleError):
    """The message is what the service's log says at the end."""


class Seen(msgspec.Struct, frozen=True):
    """How replicas see a staged folder: what to bind, import from, and put on PATH."""

    binds: tuple[Bind, ...] = ()
    site_packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


class Staged(msgspec.Struct, frozen=True):
    """An installation; ``root`` is empty when there was nothing to install."""

    runtime: Runtime
    root: str = ""

    def seen(self, isolation: Isolation) -> Seen:
        """What a replica at this isolation level needs."""
        if not self.root:
            return Seen()
        base = self.root
        binds: tuple[Bind, ...] = ()
        if isolation == "container":
            base = user_base(self.runtime.binds)
            binds = (Bind(self.root, base),)
            programs = [f"{base}/bin"]
            return Seen(binds, (f"{base}/{self.runtime.library}", *programs), tuple(programs))
        if isolation == "namespaces":
            base = user_base((*self.runtime.binds, Bind(str(SHIMS), str(SHIMS))))
            found = [name for name in _SEEN if Path(self.root, name).is_dir()]
            binds = tuple(Bind(f"{self.root}/{name}", f"{base}/{name}") for name in found)
        programs = [f"{base}/bin"] if Path(self.root, "bin").is_dir() else []
        # Scripts are importable, too: prediction routines come as ``scripts=["predictor.py"]``.
        return Seen(binds, (f"{base}/{self.runtime.library}", *programs), tuple(programs))

    def distributions(self) -> tuple[str, ...]:
        """The normalized names of what was installed here, beside what the runtime has."""
        if not self.root:
            return ()
        found = Path(self.root, self.runtime.library).glob("*.dist-info")
        names = {path.name.partition("-")[0] for path in found}
        return tuple(sorted(re.sub(r"[-_.]+", "-", name).lower() for name in names))

    def imports(self, module: str) -> bool:
        """Whether a source file of what was installed here names the module in an import."""
        if not self.root:
            return False
        wanted = re.compile(rf"^\s*(?:import|from)\s+{re.escape(module)}\b", re.MULTILINE)
        files = Path(self.root, self.runtime.library).rglob("*.py")
        return any(
            wanted.search(file.read_text(errors="replace"))
            for file in itertools.islice(files, _MOST_SOURCES)
            if file.is_file()
        )


class Shelf(Protocol):
    """Where finished installations are kept, by key."""

    @property
    def locks(self) -> Path:
        """A folder of this machine, for what the emulators of it do one after the other."""
        ...

    async def find(self, key: str) -> str:
        """The root of an installation; empty if there is none."""
        ...

    def making(self, key: str) -> AbstractAsyncContextManager["Making"]:
        """A place for a new one, which goes unless it is kept."""
        ...


class Making(Protocol):
    """An installation under way: archives come into ``work_dir``, packages into ``root``."""

    @property
    def work_dir(self) -> Path: ...
    @property
    def root(self) -> str: ...
    async def keep(self) -> str:
        """The root under which it is found from now on."""
        ...


class Folders:
    """Installations as read-only folders of the data directory; ``kept`` has more to copy."""

    def __init__(self, staged: Path, kept: Kept | None = None) -> None:
        self.locks = staged
        self._kept = kept

    async def find(self, key: str) -> str:
        """See ``Shelf.find``."""
        root = self.locks / key
        if root.is_dir() or (self._kept and await asyncio.to_thread(self._kept.copy, key, root)):
            return str(root)
        return ""

    @contextlib.asynccontextmanager
    async def making(self, key: str) -> AsyncIterator[Making]:
        """See ``Shelf.making``."""
        for stale in self.locks.glob(f".{key}.*"):
            await asyncio.to_thread(shutil.rmtree, stale, ignore_errors=True)
        part = self.locks / f".{key}.{secrets.token_hex(4)}"
        try:
            (part / "work").mkdir(parents=True)
            (part / "root").mkdir()
            yield _Folder(part, self.locks / key, self._kept)
        finally:
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)


class _Folder:
    def __init__(self, part: Path, final: Path, kept: Kept | None) -> None:
        self.work_dir = part / "work"
        self.root = str(part / "root")
        self._final = final
        self._kept = kept

    async def keep(self) -> str:
        await asyncio.to_thread(_protect, Path(self.root))
        Path(self.root).rename(self._final)
        if self._kept:
            archives = len(list(self.work_dir.iterdir()))
            await asyncio.to_thread(self._kept.keep, self._final.name, self._final, archives)
        return str(self._final)


class Installer:
    """Installs packages once, on a shelf."""

    def __init__(
        self,
        runner: Runner,
        shelf: Shelf,
        *,
        isolation: Isolation,
        index: PackageIndex,
        allow_hosts: tuple[str, ...] = (),
    ) -> None:
        self._runner = runner
        self._shelf = shelf
        self._isolation: Isolation = isolation
        self._index = index
        self._allow_hosts = allow_hosts

    async def install(
        self, packages: Sequence[Package], runtime: Runtime, report: Report
    ) -> Staged:
        """Install in order, or answer the same contents' earlier installation."""
        if not packages:
            report("No packages to install.")
            return Staged(runtime)
        for package in packages:
            if package.basename in {"", ".", ".."}:
                raise InstallationFailed(f"{package.uri} does not name a file.")
        key = await asyncio.to_thread(_key, packages, runtime)

        def wait() -> None:
            report("Another job is installing the same packages; waiting for it.")

        async with exclusive(self._shelf.locks / f"{key}.lock", wait):
            if root := await self._shelf.find(key):
                for package in packages:
                    report(f"Installing the package: {package.uri}")
                report(
                    "Already installed: packages with the same contents were installed for this "
                    "runtime before, and that installation is used."
                )
            else:
                root = await self._make(key, packages, runtime, report)
        return Staged(runtime, root)

    async def _make(
        self, key: str, packages: Sequence[Package], runtime: Runtime, report: Report
    ) -> str:
        site_id = f"install-{key[:12]}-{secrets.token_hex(4)}"
        async with self._shelf.making(key) as making:
            grounds = Grounds(
                str(making.work_dir),
                making.root,
                self._isolation,
                self._index,
                self._allow_hosts,
            )
            try:
                site = await self._runner.open(SiteSpec(site_id, isolation=self._isolation))
                course = _Course(self._runner, site, runtime, grounds, report)
                for package in packages:
                    await course.install(package)
            finally:
                await self._runner.forget(site_id)
            return await making.keep()


class _Course:
    """The commands of one installation, one after the other, in one site."""

    def __init__(
        self, runner: Runner, site: Site, runtime: Runtime, grounds: Grounds, report: Report
    ) -> None:
        self._runner = runner
        self._site = site
        self._runtime = runtime
        self._grounds = grounds
        self._report = report
        self._count = 0

    async def install(self, package: Package) -> None:
        """Two commands form a try, and there are two tries, as on the service."""
        self._report(f"Installing the package: {package.uri}")
        commands = pip_commands(package.basename)
        try:
            await asyncio.to_thread(self._place, package)
        except archives.Refused as refused:
            text = _failure(commands[0], 1)
            self._report(str(refused), "ERROR")
            self._report(text, "ERROR")
            raise InstallationFailed(text) from refused
        for attempt in range(1, _TRIES + 1):
            failure = await self._try(commands)
            if failure is None:
                return
            if attempt == _TRIES:
                self._report(failure, "ERROR")
                raise InstallationFailed(failure)
            self._report(
                f"Installation of package failed on try {attempt}/{_TRIES}: {failure}\n"
                "Retrying ...",
                "WARNING",
            )

    def _place(self, package: Package) -> None:
        archives.check(package.path)
        shutil.copyfile(package.path, Path(self._grounds.work_dir, package.basename))

    async def _try(self, commands: Sequence[tuple[str, ...]]) -> str | None:
        for command in commands:
            self._report(f"Running command: {' '.join(command)}")
            status = await self._run(command)
            if status != 0:
                return _failure(command, status)
        return None

    async def _run(self, command: tuple[str, ...]) -> int:
        self._count += 1
        name = f"pip-{self._count}"
        replica = installation(name, command, self._runtime, self._grounds)
        ref = await self._site.start(replica)
        async for line in self._runner.follow(ref, 0):
            if line.text:
                rated = rate(line)
                self._report(rated.message, rated.severity)
        end = await self._runner.wait(ref)
        if end.reason not in {"exited", "stopped"} and not end.out_of_memory:
            raise OperatorError(
                f"The installation of packages broke off: {end.message or end.reason}. "
                "Submit the job again; `cmle doctor` says what this machine can do."
            )
        return end.code if end.code is not None else -(end.signal or 1)


def _failure(command: tuple[str, ...], status: int) -> str:
    return f"Command '{list(command)}' returned non-zero exit status {status}"


def _key(packages: Sequence[Package], runtime: Runtime) -> str:
    """The same for the same archives, in the same order, under the same names, for a runtime."""
    digest = hashlib.sha256(f"{RECIPE}\0{runtime.key}\0".encode())
    for package in packages:
        with package.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{package.basename}\0{content}\0".encode())
    return digest.hexdigest()[:32]


def _protect(root: Path) -> None:
    """Take away the right to change files; folders stay, so that anyone can remove them."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
