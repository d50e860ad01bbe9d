"""A runtime version as a virtual environment: made when first needed, kept by its contents."""

import asyncio
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
import uv

from emulator.cluster import Bind
from emulator.commands import Outcome, run
from emulator.errors import OperatorError
from emulator.folder_lock import exclusive
from emulator.interpreters import Interpreter, fetch, find
from emulator.package_index import PackageIndex
from emulator.progress import Progress, Step, silent
from emulator.runtime_versions import RuntimeVersions, StandIn, shipped
from emulator.shipped import folder

Say = Callable[[str], None]
RECIPE: Final = 1  # part of every key: a change in how environments are made
Policy = Literal["exact", "nearest"]
COMPLETE: Final = ".complete"
_SEED: Final = frozenset({"pip", "setuptools", "wheel"})
_LABEL: Final = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)")
CHECK: Final = """
import json, sys
import tensorflow
from pip._internal.models.index import PyPI
print(json.dumps({
    "python": ".".join(map(str, sys.version_info[:3])),
    "tensorflow": tensorflow.__version__,
    "prefix": sys.base_prefix,
    "index_hosts": [PyPI.netloc + ":443", PyPI.file_storage_domain + ":443"],
}))
"""


class Recipe(msgspec.Struct, frozen=True):
    """What an environment is made of; ``warning`` is for the log of jobs that run in it."""

    version: str
    python_version: str
    requirements: str
    variables: dict[str, str] = {}
    stands_in_for: str = ""  # the Python version that was asked for
    warning: str = ""

    @property
    def key(self) -> str:
        parts = (str(RECIPE), platform.machine(), self.python_version, self.requirements)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]

    def only(self, *, seed: bool) -> str:
        """The requirements of the installers, or those of everything else."""
        blocks = re.split(r"(?m)^(?=\S)", self.requirements)
        return "".join(
            block
            for block in blocks
            if (found := _LABEL.match(block)) and (found[1].lower() in _SEED) == seed
        )

    def version_of(self, package: str) -> str:
        """The pinned version of a package; empty when it is not among them."""
        pins = (found.groups() for found in _LABEL.finditer(self.requirements))
        return next((pin for name, pin in pins if name.lower() == package), "")

    def name_tensorflow(self, library: Path) -> None:
        """Let trainers that require "tensorflow" find it where tensorflow-cpu is installed."""
        pin = self.version_of("tensorflow-cpu")
        if not pin:
            return
        alias = library / f"tensorflow-{pin}.dist-info"
        alias.mkdir()
        (alias / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: tensorflow\nVersion: {pin}\n"
            f"Summary: The tensorflow-cpu of this environment\nRequires-Dist: tensorflow-cpu\n"
        )
        (alias / "INSTALLER").write_text("cmle\n")
        names = [f"{alias.name}/{name},,\n" for name in ("METADATA", "INSTALLER", "RECORD")]
        (alias / "RECORD").write_text("".join(names))


def recipe(versions: RuntimeVersions, folder: Path, version: str, python_version: str) -> Recipe:
    """The recipe of a runtime version that the catalogue does not refuse."""
    name = versions.runtimes[version].environments[python_version]
    return Recipe(version, python_version, read_requirements(folder / name))


def read_requirements(file: Path) -> str:
    """Pinned requirements without the comments."""
    lines = file.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


class Made(msgspec.Struct, frozen=True):
    """What a finished environment says of itself, in its ``.complete``."""

    python: str
    tensorflow: str
    prefix: str
    index_hosts: tuple[str, ...]


class Runtime(msgspec.Struct, frozen=True):
    """A runtime version that can be run, in this machine's own files or in an image.

    ``version`` and ``python_version`` are what was asked for, ``actual_python`` and
    ``tensorflow`` what it is; they differ only with a ``warning``, which belongs in the
    log of every job. ``index_hosts`` are those of its pip's default index.
    """

    version: str
    python_version: str
    actual_python: str
    tensorflow: str
    key: str
    env_dir: str
    prefixes: tuple[str, ...]
    index_hosts: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    warning: str = ""
    image: str = ""

    @property
    def python(self) -> str:
        return f"{self.env_dir}/bin/python"

    @property
    def library(self) -> str:
        """Where modules are below a prefix: ``lib/python3.7/site-packages``."""
        return f"lib/python{'.'.join(self.actual_python.split('.')[:2])}/site-packages"

    @property
    def binds(self) -> tuple[Bind, ...]:
        """What a sandbox must show for it, read-only and where it is."""
        if self.image:
            return ()
        return tuple(Bind(path, path) for path in (*self.prefixes, self.env_dir))


class Runtimes:
    """The environments below one cache folder, shared by every emulator of the user."""

    def __init__(
        self,
        cache_dir: Path,
        *,
        index: PackageIndex,
        environment: Mapping[str, str],
        policy: Policy = "exact",
        versions: RuntimeVersions | None = None,
        requirements: Path | None = None,
    ) -> None:
        self._root = cache_dir / "runtimes"
        self._pythons = cache_dir / "pythons"
        self._index = index
        self._environment = environment
        self._policy = policy
        self._versions = versions or shipped()
        self._requirements = requirements or folder("docker") / "runtimes"

    async def ensure(
        self, version: str, python_version: str, progress: Progress = silent
    ) -> Runtime:
        """Answer the environment, made now if need be; a finished one costs no network."""
        if refusal := self._versions.refusal(version, python_version):
            raise OperatorError(refusal)
        exact = self._exact(version, python_version)
        if made := self._finished(exact):
            return made
        interpreter = await find(python_version, self._environment, fetched=self._pythons)
        if interpreter is None and self._policy == "nearest":
            return await self._stand_in(version, python_version, progress)
        if interpreter is None:
            interpreter = await self._fetch(version, python_version, progress)
        return await self._make(exact, interpreter, progress)

    def finished(self, version: str, python_version: str) -> Runtime | None:
        """Answer the environment if it is there already; nothing is made, nobody is asked."""
        if self._versions.refusal(version, python_version):
            return None
        return self._finished(self._exact(version, python_version))

    def _exact(self, version: str, python_version: str) -> Recipe:
        return recipe(self._versions, self._requirements, version, python_version)

    async def _stand_in(self, version: str, python_version: str, progress: Progress) -> Runtime:
        rows = [row for row in self._versions.stand_ins if row.runtime == version]
        for row in rows:
            for python in row.python:
                recipe = self._nearest(row, python, python_version)
                if made := self._finished(recipe):
                    return made
                found = await find(python, self._environment, fetched=self._pythons)
                if found is not None:
                    return await self._make(recipe, found, progress)
        interpreter = await self._fetch(version, python_version, progress)
        return await self._make(self._exact(version, python_version), interpreter, progress)

    def _nearest(self, row: StandIn, python: str, python_version: str) -> Recipe:
        warning = (
            f"Runtime version {row.runtime} with Python {python_version} is stood in for by "
            f'TensorFlow {row.tensorflow} on Python {python} (runtime policy "nearest"): this '
            f"machine has no Python {python_version}. Results and errors may differ from the "
            "service's."
        )
        return Recipe(
            row.runtime,
            python,
            read_requirements(self._requirements / row.requirements),
            row.variables,
            stands_in_for=python_version,
            warning=warning,
        )

    async def _fetch(self, version: str, python_version: str, progress: Progress) -> Interpreter:
        subject = f"Python {python_version}"
        reason = "packages come from the wheelhouse alone, so uv was not asked to fetch one"
        if not self._index.is_wheelhouse:
            progress(Step(subject, "not on this machine; asking uv to fetch it"))
            env = self._index.for_uv(self._environment)
            found, reason = await fetch(
                python_version, uv=uv.find_uv_bin(), env=env, into=self._pythons
            )
            if found is not None:
                return found
        raise OperatorError(
            f"Runtime version {version} needs Python {python_version}. It is not on PATH, not "
            f"in pyenv's folder, and uv could not fetch it:\n{reason}\n"
            f"Install Python {python_version} (for instance with pyenv){self._way_out(version)}."
        )

    def _way_out(self, version: str) -> str:
        rows = [row for row in self._versions.stand_ins if row.runtime == version]
        if not rows:
            return f"; no newer TensorFlow can stand in for {version}, which had tf.contrib"
        pythons = ", ".join(python for row in rows for python in row.python)
        if self._policy == "nearest":
            return f", or one of the Pythons that can stand in for it ({pythons})"
        return (
            f", or serve with --runtime-policy nearest: a newer TensorFlow on Python {pythons} "
            "then stands in for it"
        )

    def _finished(self, recipe: Recipe) -> Runtime | None:
        env_dir = self._root / recipe.key
        try:
            made = msgspec.json.decode((env_dir / COMPLETE).read_bytes(), type=Made)
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return None
        if not (env_dir / "bin" / "python").exists():  # its Python was removed or moved
            return None
        return Runtime(
            version=recipe.version,
            python_version=recipe.stands_in_for or recipe.python_version,
            actual_python=made.python,
            tensorflow=made.tensorflow,
            key=recipe.key,
            env_dir=str(env_dir),
            prefixes=_outside_system(made.prefix, str((env_dir / "bin" / "python").resolve())),
            index_hosts=made.index_hosts,
            variables=recipe.variables,
            warning=recipe.warning,
        )

    async def _make(self, recipe: Recipe, interpreter: Interpreter, progress: Progress) -> Runtime:
        subject = f"runtime {recipe.version}"

        def say(text: str) -> None:
            progress(Step(subject, text))

        wait = "another process is making this environment; waiting for it"
        lock = self._root / f"{recipe.key}.lock"
        async with exclusive(lock, lambda: say(wait)) as handle:
            if made := self._finished(recipe):
                return made
            env_dir = self._root / recipe.key
            builder = _Builder(recipe, env_dir, self._index, self._environment, handle)
            try:
                await builder.build(interpreter, say)
            except BaseException:
                await asyncio.to_thread(shutil.rmtree, env_dir, ignore_errors=True)
                raise
            made = self._finished(recipe)
        if made is None:
            raise OperatorError(
                f"The environment {env_dir} vanished while it was made. Is another program "
                "cleaning the cache folder? Try again."
            )
        return made


class _Builder:
    """Makes one environment at its final place (scripts name it), ``.complete`` last."""

    def __init__(
        self,
        recipe: Recipe,
        env_dir: Path,
        index: PackageIndex,
        environment: Mapping[str, str],
        lock: int,
    ) -> None:
        self._recipe = recipe
        self._dir = env_dir
        self._env = index.for_uv(environment)
        self._flags = ["--no-verify-hashes"] if index.is_wheelhouse else []
        self._lock = lock
        self._uv = uv.find_uv_bin()
        self._python = str(env_dir / "bin" / "python")

    async def build(self, interpreter: Interpreter, say: Say) -> None:
        if self._dir.exists():
            say("removing an unfinished environment")
            await asyncio.to_thread(shutil.rmtree, self._dir)
        say(f"making a virtual environment of Python {interpreter.version}")
        venv = [self._uv, "venv", "--no-project", "--python", interpreter.path, str(self._dir)]
        await self._run(venv, say)
        # Old source archives are built with the runtime's own setuptools, not with today's.
        await self._install("installers.txt", self._recipe.only(seed=True), say)
        await self._install("packages.txt", self._recipe.only(seed=False), say)
        library = next((self._dir / "lib").glob("python*/site-packages"))
        self._recipe.name_tensorflow(library)
        say("importing TensorFlow for the first time")
        outcome = await self._run([self._python, "-c", CHECK], lambda _: None)
        made = msgspec.json.decode(outcome.tail[-1], type=Made)
        part = self._dir / f"{COMPLETE}.part"
        part.write_bytes(msgspec.json.encode(made))
        part.replace(self._dir / COMPLETE)
        say(f"ready: TensorFlow {made.tensorflow} on Python {made.python}")

    async def _install(self, name: str, requirements: str, say: Say) -> None:
        if not requirements:
            return
        file = self._dir / name
        file.write_text(requirements)
        argv = [self._uv, "pip", "install", "--python", self._python, "--requirement", str(file)]
        argv += ["--no-deps", "--no-build-isolation", "--compile-bytecode", *self._flags]
        await self._run(argv, say)

    async def _run(self, argv: list[str], say: Say) -> Outcome:
        outcome = await run(
            argv, env=self._env, cwd=self._dir.parent, on_line=say, keep_open=[self._lock]
        )
        if outcome.status != 0:
            raise OperatorError(
                f"The environment of runtime version {self._recipe.version} could not be made: "
                f"`{' '.join(map(os.path.basename, argv[:3]))}` ended with status "
                f"{outcome.status}.\n{outcome.text}\n"
                "It needs a package index (pip's and uv's settings are used) or a folder of "
                "archives (--wheelhouse DIR), and about 2 GB of disk. Nothing was kept; trying "
                "again begins anew."
            )
        return outcome


def _outside_system(prefix: str, executable: str) -> tuple[str, ...]:
    """Folders that hold the interpreter, beyond what every sandbox shows of the system."""
    folders = dict.fromkeys((prefix, os.path.realpath(prefix), str(Path(executable).parents[1])))
    return tuple(path for path in folders if path != "/" and not f"{path}/".startswith("/usr/"))
