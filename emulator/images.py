"""A runtime version as an image: built when first needed, named and labelled by its contents."""

import asyncio
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from emulator.commands import Outcome
from emulator.docker_client import Docker, trouble
from emulator.errors import OperatorError
from emulator.folder_lock import exclusive
from emulator.package_index import PackageIndex
from emulator.progress import Progress, Step, silent
from emulator.runtime_versions import RuntimeVersions, shipped
from emulator.runtimes import CHECK, Made, Recipe, Runtime, recipe
from emulator.shipped import folder

REPOSITORY: Final = "cmle/runtime"
LOCAL_BASE: Final = "cmle/base"
_KEY: Final = "cmle.key"
_FACTS: Final = "/usr/local/share/cmle/runtime.json"
_NO_BASE: Final = re.compile(
    r"failed to do request|pull access denied|manifest unknown|failed to resolve source metadata|"
    r"repository does not exist|no such host"
)
_HASH: Final = re.compile(r"\s*\\\n\s*--hash=\S+")


class Images:
    """The runtime images of one Docker Engine, shared by every emulator that uses it.

    The base image is ``base_image`` if given, else this machine's ``cmle/base:<python>``
    if there is one (docker/base makes it without a registry), else the public one.
    """

    def __init__(
        self,
        cache_dir: Path,
        *,
        index: PackageIndex,
        environment: Mapping[str, str],
        base_image: str = "",
        versions: RuntimeVersions | None = None,
        requirements: Path | None = None,
    ) -> None:
        self._root = cache_dir / "images"
        self._index = index
        self._docker = Docker({**environment, **index.network})
        self._base_image = base_image
        self._versions = versions or shipped()
        self._requirements = requirements or folder("docker") / "runtimes"
        self._dockerfile = folder("docker") / "runtime.Dockerfile"

    async def ensure(
        self, version: str, python_version: str, progress: Progress = silent
    ) -> Runtime:
        """Answer the runtime in its image, built now if need be.

        Raises OperatorError with the reason and the way out when it cannot be built.
        """
        if refusal := self._versions.refusal(version, python_version):
            raise OperatorError(refusal)
        wanted = self._recipe(version, python_version)
        if made := await self._finished(wanted):
            return made
        subject = f"image {version}"

        def say(text: str) -> None:
            progress(Step(subject, text))

        wait = "another process is building this image; waiting for it"
        lock = self._root / f"{self._key(wanted)}.lock"
        async with exclusive(lock, lambda: say(wait)) as handle:
            if made := await self._finished(wanted):
                return made
            await self._build(wanted, say, handle)
            made = await self._finished(wanted)
        if made is None:
            raise OperatorError(
                f"The image {self.name(version, python_version)} vanished while it was made. Is "
                "another program removing images? Try again."
            )
        return made

    async def finished(self, version: str, python_version: str) -> Runtime | None:
        """Answer the runtime if its image is there already; nothing is built."""
        if self._versions.refusal(version, python_version):
            return None
        return await self._finished(self._recipe(version, python_version))

    def name(self, version: str, python_version: str) -> str:
        """The name of a runtime version's image: ``cmle/runtime:1.15-<key>``."""
        wanted = self._recipe(version, python_version)
        return f"{REPOSITORY}:{version}-{self._key(wanted)}"

    async def names(self) -> frozenset[str]:
        """The names of all runtime images of the engine, outdated ones too."""
        form = "{{.Repository}}:{{.Tag}}"
        outcome = await self._docker.call("image", "ls", "--format", form, REPOSITORY)
        return frozenset(outcome.tail) if outcome.status == 0 else frozenset()

    def _recipe(self, version: str, python_version: str) -> Recipe:
        return recipe(self._versions, self._requirements, version, python_version)

    def _key(self, wanted: Recipe) -> str:
        parts = (wanted.key, self._dockerfile.read_text(), CHECK, self._base_image)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]

    async def _finished(self, wanted: Recipe) -> Runtime | None:
        key = self._key(wanted)
        name = f"{REPOSITORY}:{wanted.version}-{key}"
        outcome = await self._docker.call("image", "inspect", "--format", "{{json .Config}}", name)
        if outcome.status != 0:
            return None
        labels = msgspec.json.decode(outcome.tail[-1], type=_Config).labels
        if labels.get(_KEY) != key:
            return None
        return Runtime(
            version=wanted.version,
            python_version=wanted.python_version,
            actual_python=labels["cmle.python"],
            tensorflow=labels["cmle.tensorflow"],
            key=key,
            env_dir=labels["cmle.prefix"],
            prefixes=(),
            index_hosts=tuple(filter(None, labels["cmle.index-hosts"].split(","))),
            variables=wanted.variables,
            image=name,
        )

    async def _base(self, python_version: str) -> str:
        if self._base_image:
            return self._base_image
        local = f"{LOCAL_BASE}:{python_version}"
        found = await self._docker.call("image", "inspect", "--format", "{{.Id}}", local)
        return local if found.status == 0 else f"python:{python_version}-slim"

    async def _build(self, wanted: Recipe, say: Callable[[str], None], lock: int) -> None:
        base = await self._base(wanted.python_version)
        say(f"building it from {base}")
        key = self._key(wanted)
        # What a killed builder left: it has no name yet.
        ours = f"label={_KEY}={key}"
        await self._docker.call("image", "prune", "--force", "--filter", ours)
        with tempfile.TemporaryDirectory(prefix="build-", dir=self._root) as work:
            context = _Context(Path(work), wanted, self._index)
            await asyncio.to_thread(context.write)
            id_file = Path(work, "id")
            arguments = ["--file", str(self._dockerfile), "--iidfile", str(id_file)]
            arguments += ["--build-arg", f"BASE_IMAGE={base}", "--label", f"{_KEY}={key}"]
            arguments += [*context.secrets(), *context.proxies(), str(context.folder)]
            outcome = await self._docker.build(arguments, on_line=say, keep_open=[lock])
            if outcome.status != 0:
                raise OperatorError(_reason(wanted, base, outcome))
            await self._name(id_file.read_text().strip(), wanted, Path(work))
        say("ready")

    async def _name(self, image_id: str, wanted: Recipe, work: Path) -> None:
        """Give the image its name, with what its check found as labels: then it is complete."""
        created = await self._must("create", image_id)
        container = created.tail[-1]
        try:
            await self._must("cp", f"{container}:{_FACTS}", str(work / "facts.json"))
            made = msgspec.json.decode((work / "facts.json").read_bytes(), type=Made)
            labels = {
                "cmle.python": made.python,
                "cmle.tensorflow": made.tensorflow,
                "cmle.prefix": made.prefix,
                "cmle.index-hosts": ",".join(made.index_hosts),
            }
            changes = [
                text
                for item in labels.items()
                for text in ("--change", "LABEL {}={}".format(*item))
            ]
            name = f"{REPOSITORY}:{wanted.version}-{self._key(wanted)}"
            await self._must("commit", *changes, container, name)
        finally:
            await self._docker.call("rm", "--force", container)

    async def _must(self, *arguments: str) -> Outcome:
        outcome = await self._docker.call(*arguments)
        if outcome.status != 0:
            raise OperatorError(f"`docker {arguments[0]}` failed:\n{outcome.text}")
        return outcome


class _Config(msgspec.Struct, frozen=True):
    """Of an image's configuration, what is read."""

    found: dict[str, str] | None = msgspec.field(name="Labels", default=None)

    @property
    def labels(self) -> dict[str, str]:
        return self.found or {}


class _Context:
    """What a build gets: the context folder, and beside it what must not be in the image."""

    def __init__(self, work: Path, wanted: Recipe, index: PackageIndex) -> None:
        self.folder = work / "context"
        self._pip = work / "pip.conf"
        self._wanted = wanted
        self._index = index

    def write(self) -> None:
        self.folder.mkdir()
        for name, seed in (("installers.txt", True), ("packages.txt", False)):
            text = self._wanted.only(seed=seed)
            text = _HASH.sub("", text) if self._index.is_wheelhouse else text
            (self.folder / name).write_text(text)
        (self.folder / "check.py").write_text(CHECK)
        library = self.folder / "library"
        library.mkdir()
        self._wanted.name_tensorflow(library)
        self._bring_archives()
        self._pip.touch(mode=0o600)
        self._pip.write_text(self._settings())

    def secrets(self) -> list[str]:
        found = ["--secret", f"id=pip,src={self._pip}"]
        if self._index.certificate:
            found += ["--secret", f"id=ca,src={self._index.certificate}"]
        return found

    def proxies(self) -> list[str]:
        """By name alone: their values stay in the environment, and out of the history."""
        names = [name for name in self._index.network if name.lower().endswith("_proxy")]
        return [text for name in names for text in ("--build-arg", name)]

    def _bring_archives(self) -> None:
        """Local folders of archives are not there in a build: they come with the context."""
        wheels = self.folder / "wheels"
        wheels.mkdir()
        for place in self._index.find_links:
            if "://" in place:
                continue
            for archive in Path(place).iterdir():
                if archive.is_file():
                    shutil.copy(archive, wheels)

    def _settings(self) -> str:
        """The user's own index as a pip.conf."""
        given = {
            name.removeprefix("PIP_").lower().replace("_", "-"): value
            for name, value in self._index.for_pip().items()
        }
        links = [place for place in self._index.find_links if "://" in place]
        given["find-links"] = "\n  ".join([*links, "/context/wheels"])
        lines = [f"{name} = {value}" for name, value in given.items()]
        return "\n".join(["[global]", *lines, ""])


def _reason(wanted: Recipe, base: str, outcome: Outcome) -> str:
    """Why an image could not be built, and what to do."""
    text = outcome.text
    if "load metadata" in text and _NO_BASE.search(text) and "pip" not in outcome.tail[-1]:
        return (
            f"The base image {base} is not on this machine and its registry does not give it, so "
            f"the image of runtime version {wanted.version} cannot be built. Name a local image "
            f"with Python {wanted.python_version} (--base-image, $CMLE_BASE_IMAGE), or make one "
            f"from Debian's packages: {folder('docker') / 'base' / 'base.sh'} "
            f"{wanted.python_version}.\n{text}"
        )
    sentence = trouble(text) or (
        "It needs a package index (pip's settings are used) or a folder of archives "
        "(--wheelhouse DIR), and about 3 GB of disk."
    )
    return (
        f"The image of runtime version {wanted.version} could not be built: `docker build` ended "
        f"with status {outcome.status}.\n{text}\n{sentence} Trying again goes on with the "
        "finished steps."
    )
