"""The ``docker`` command: one that can build, its calls with deadlines, its errors as sentences."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from emulator.commands import Outcome, run
from emulator.errors import OperatorError

CALL_S: Final = 60.0
BUILD_S: Final = 3600.0
_USUAL: Final = ("/usr/bin", "/usr/local/bin")
_WITH_BUILDKIT: Final = range(19, 23)  # major versions with a BuildKit client of their own
_NEEDED: Final = ("PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK")
_PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy")
_INSTALL: Final = "Install one (Debian: apt install docker.io)"
_TROUBLES: Final = {  # what an error text holds: what it means, and what to do
    r"Cannot connect to the Docker daemon|error during connect": (
        "No Docker Engine answers. Start it, or name it with DOCKER_HOST."
    ),
    r"permission denied while trying to connect|dial unix .*: permission denied": (
        "This user may not use the Docker Engine. Add it to the group docker, or use sudo."
    ),
    r"CERTIFICATE_VERIFY_FAILED": (
        "The package index shows a certificate of an authority that the image does not know. "
        "Name the site's bundle of certificates: PIP_CERT=/path/to/bundle.pem."
    ),
    r"--mount option requires BuildKit": (
        "This docker command builds without BuildKit. Install its plugin buildx, or Debian's "
        "docker.io, whose own client can."
    ),
    r"no space left on device": (
        "The disk of the Docker Engine is full. `docker system df` says what takes the space."
    ),
    r"Connection (?:to .* timed out|refused)|Temporary failure in name resolution": (
        "The build does not reach its package index. Is this machine online? Packages can also "
        "come from a folder of archives (--wheelhouse DIR)."
    ),
}


class Client(msgspec.Struct, frozen=True):
    """A docker command; ``build`` is how it builds with BuildKit, empty if it cannot."""

    path: str
    build: tuple[str, ...]


class Docker:
    """Calls of the docker command, in the environment of the user."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._path = environment.get("PATH", "")
        docker = {
            name: value
            for name, value in environment.items()
            if name.startswith("DOCKER_") or name.lower() in _PROXIES
        }
        needed = {name: environment[name] for name in _NEEDED if name in environment}
        self._env = {**needed, **docker, "LC_ALL": "C.UTF-8", "BUILDKIT_COLORS": ""}
        self._client: Client | None = None

    async def client(self) -> Client:
        """The first docker command that can build; one that cannot is better than none."""
        if self._client is None:
            found = [await self._probe(path) for path in self._candidates()]
            if not found:
                raise OperatorError(
                    f"There is no docker command on PATH. {_INSTALL}, or run jobs without "
                    "containers (--runner process)."
                )
            self._client = next((client for client in found if client.build), found[0])
        return self._client

    async def call(self, *arguments: str) -> Outcome:
        """Run a short call; its outcome, or OperatorError when no engine answered in time."""
        client = await self.client()
        try:
            async with asyncio.timeout(CALL_S):
                outcome = await run([client.path, *arguments], env=self._env, cwd=Path("/"))
        except TimeoutError:
            raise OperatorError(
                f"The Docker Engine did not answer `docker {arguments[0]}` within {CALL_S:.0f} s. "
                "`docker ps` shows whether it answers at all; it may have to be restarted."
            ) from None
        if outcome.status != 0 and (sentence := trouble(outcome.text)):
            raise OperatorError(f"{sentence}\n{outcome.text}")
        return outcome

    async def build(
        self,
        arguments: Sequence[str],
        *,
        on_line: Callable[[str], None],
        keep_open: Sequence[int] = (),
    ) -> Outcome:
        """Build with BuildKit, which knows secrets; ``arguments`` are those of ``docker build``."""
        client = await self.client()
        if not client.build:
            raise OperatorError(
                f"{client.path} cannot build with BuildKit, which keeps the package index's "
                "secrets out of the image. Install its plugin buildx, or Debian's docker.io, "
                "whose own client can; or bring the image: docker load."
            )
        env = {**self._env, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
        argv = [client.path, *client.build, *arguments]
        try:
            async with asyncio.timeout(BUILD_S):
                return await run(
                    argv,
                    env=env,
                    cwd=Path("/"),
                    on_line=lambda line: on_line(said(line)),
                    keep_open=keep_open,
                )
        except TimeoutError:
            raise OperatorError(
                f"The image was not built within {BUILD_S / 60:.0f} minutes; given up."
            ) from None

    def _candidates(self) -> list[str]:
        folders = dict.fromkeys((*filter(None, self._path.split(":")), *_USUAL))
        paths = [Path(folder, "docker") for folder in folders]
        return list(dict.fromkeys(str(path.resolve()) for path in paths if path.is_file()))

    async def _probe(self, path: str) -> Client:
        plugin = await self._quick(path, "buildx", "version")
        if plugin.status == 0:
            return Client(path, ("buildx", "build", "--load"))
        version = await self._quick(path, "--version")
        major = re.search(r"version (\d+)\.", version.text)
        built_in = major is not None and int(major[1]) in _WITH_BUILDKIT
        return Client(path, ("build",) if built_in else ())

    async def _quick(self, *argv: str) -> Outcome:
        try:
            async with asyncio.timeout(CALL_S):
                return await run(argv, env=self._env, cwd=Path("/"))
        except (OSError, TimeoutError) as error:
            return Outcome(1, (str(error),))


def trouble(text: str) -> str:
    """What a known error text of Docker or of a build means; empty for an unknown one."""
    found = (sentence for known, sentence in _TROUBLES.items() if re.search(known, text))
    return next(found, "")


def said(line: str) -> str:
    """A line of BuildKit's plain progress without its step's number and time."""
    return re.sub(r"^#\d+ (?:\d+\.\d+ )?", "", line)
