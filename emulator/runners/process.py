"""Replicas as processes of this machine, each site owned by a supervisor that outlives us."""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import socket
import struct
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator import shipped
from emulator.cluster import WORK_TARGET, Bind, Exit, Line, Ref, Replica, SiteSpec
from emulator.errors import OperatorError
from emulator.hosts import google_hosts
from emulator.runners import Abilities
from emulator.runners.interpreter import see_interpreter
from emulator.runners.tail import Tail
from emulator.runners.variables import with_variables

NAME: Final = "process"
SUPERVISOR: Final = shipped.SHIMS / "supervision" / "supervisor.py"
_POLL_S: Final = 0.03
_LONGEST_ANSWER: Final = 64 << 20
_CLOSE_DEADLINE_S: Final = 20.0
_ABSTRACT_LIMIT: Final = 100
_CONTROLLERS: Final = {"", "memory", "cpu", "pids"}  # "": all, in version 2


def control_name(instance: str, site_id: str) -> str:
    """The abstract socket of a site's supervisor, without its NUL."""
    name = f"cmle-site-{instance}-{site_id}"
    if len(name.encode()) <= _ABSTRACT_LIMIT:
        return name
    return f"cmle-site-{instance}-{hashlib.sha256(site_id.encode()).hexdigest()[:40]}"


class ProcessSite:
    """A site whose supervisor answers."""

    def __init__(self, runner: "ProcessRunner", site_id: str, addresses: Mapping[str, str]) -> None:
        self._runner = runner
        self._site_id = site_id
        self._addresses = addresses

    @property
    def addresses(self) -> Mapping[str, str]:
        """See ``Site.addresses``: names in the site's own network, or ports of this machine."""
        return self._addresses

    async def start(self, replica: Replica) -> Ref:
        """See ``Site.start``. The working directory is made if it is missing."""
        replica = self._with_work_dir(replica)
        Path(replica.work_dir).mkdir(parents=True, exist_ok=True)
        described = with_variables(
            see_interpreter(replica), self._runner.bundle, tuple(self._addresses)
        )
        try:
            answer = await self._runner.ask(
                self._site_id, {"start": msgspec.to_builtins(described)}
            )
        except OSError as error:
            answer = {"error": f"its supervisor is gone ({error})"}
        if "error" in answer:
            raise OperatorError(
                f"The process {replica.name} of {self._site_id} could not be started: "
                f"{answer['error']}. See {self._runner.folder(self._site_id)}/supervisor.log."
            )
        return Ref(NAME, self._site_id, replica.name, replica.task)

    def _with_work_dir(self, replica: Replica) -> Replica:
        if replica.work_dir:
            return replica
        folder = str(self._runner.folder(self._site_id) / "work" / replica.name)
        binds = (*replica.binds, Bind(folder, WORK_TARGET, writable=True))
        return msgspec.structs.replace(replica, work_dir=folder, binds=binds)


class ProcessRunner:
    """The runner of one data directory. It holds no state: all is in files and supervisors."""

    def __init__(
        self,
        data_dir: Path,
        instance: str,
        *,
        python: str = sys.executable,
        grace_s: float = 30.0,
        regions: Sequence[str] = (),
    ) -> None:
        """``regions`` are those whose own endpoints replicas may ask for."""
        self._data_dir = data_dir.resolve()
        self._instance = instance
        self._python = python
        self._grace_s = grace_s
        self._names = google_hosts(regions)
        self.bundle = self._data_dir / "authority" / "bundle.pem"

    @property
    def name(self) -> str:
        return NAME

    @property
    def abilities(self) -> Abilities:
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        free = shutil.disk_usage(self._data_dir).free
        return Abilities(cpus=os.cpu_count() or 1, memory_bytes=pages, disk_bytes=free)

    def folder(self, site_id: str) -> Path:
        return self._data_dir / "sites" / site_id

    async def open(self, spec: SiteSpec) -> ProcessSite:
        """See ``Runner.open``."""
        folder = self.folder(spec.site_id)
        try:
            await self.ask(spec.site_id, {"status": True})
        except OSError:
            await self._spawn(spec, folder)
        addresses: dict[str, str] = msgspec.json.decode((folder / "addresses.json").read_bytes())
        return ProcessSite(self, spec.site_id, addresses)

    async def follow(self, ref: Ref, since: int) -> AsyncIterator[Line]:
        """See ``Runner.follow``."""
        ended = asyncio.create_task(self.wait(ref), name=f"end of {ref.site_id}/{ref.name}")
        tail = Tail(self._replica(ref) / "lines.jsonl", since)
        try:
            while True:
                last = ended.done()
                found = False
                for line in tail.read():
                    found = True
                    yield line
                if last and not found:
                    return
                if not found:
                    await asyncio.wait({ended}, timeout=_POLL_S)
        finally:
            tail.close()
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)

    async def wait(self, ref: Ref) -> Exit:
        """See ``Runner.wait``."""
        if end := self._read_end(ref):
            return end
        try:
            answer = await self.ask(ref.site_id, {"wait": ref.name})
        except OSError as error:
            answer = {"error": f"its supervisor is gone ({error})"}
        if "error" not in answer:
            return msgspec.convert(answer, Exit)
        message = f"The end of {ref.name} is not known: {answer['error']}."
        return self._read_end(ref) or Exit("lost", message=message)

    async def stop(self, refs: Sequence[Ref], grace_s: float) -> None:
        """See ``Runner.stop``."""
        names: dict[str, list[str]] = {}
        for ref in refs:
            names.setdefault(ref.site_id, []).append(ref.name)
        await asyncio.gather(*(self._stop(site, names[site], grace_s) for site in names))

    async def close(self, site_id: str) -> None:
        """See ``Runner.close``."""
        await self._close(control_name(self._instance, site_id))

    async def usage(self, refs: Sequence[Ref]) -> dict[str, float]:
        """CPU seconds that each replica has used so far, by its name; none if not known."""
        names: dict[str, list[str]] = {}
        for ref in refs:
            names.setdefault(ref.site_id, []).append(ref.name)
        found: dict[str, float] = {}
        for site_id, of_site in names.items():
            with contextlib.suppress(OSError):  # gone, and its replicas with it
                found |= (await self.ask(site_id, {"usage": of_site})).get("cpu_seconds", {})
        return found

    async def forget(self, site_id: str) -> None:
        """See ``Runner.forget``."""
        await self.close(site_id)
        if (folder := self.folder(site_id)).exists():
            await asyncio.to_thread(remove_folder, folder)

    async def reach(self, ref: Ref, listen: str) -> str | tuple[str, int]:
        """See ``Runner.reach``."""
        del ref
        return f"\0{listen}"

    async def sweep(self, known: Collection[str]) -> list[str]:
        """See ``Runner.sweep``."""
        kept = {control_name(self._instance, site_id) for site_id in known}
        stray = [name for name in _sockets(f"cmle-site-{self._instance}-") if name not in kept]
        await asyncio.gather(*(self._close(name) for name in stray))
        sites = self._data_dir / "sites"
        folders = sites.iterdir() if sites.is_dir() else ()
        removed = sorted(folder.name for folder in folders if folder.name not in known)
        for site_id in removed:
            await asyncio.to_thread(remove_folder, self.folder(site_id))
        _remove_cgroups(f"cmle-{self._instance}-")
        return removed

    async def stop_all(self, grace_s: float = 10.0) -> None:
        """End every place of this emulator; lines and ends stay readable."""
        names = _sockets(f"cmle-site-{self._instance}-")
        await asyncio.gather(*(self._close(name, grace_s) for name in names))

    async def let_go(self) -> None:
        """End the use, not what runs: supervisors wait for the next emulator for their grace."""

    async def ask(self, site_id: str, request: dict[str, Any]) -> dict[str, Any]:
        """One request to a supervisor; OSError if there is none, or it goes before answering."""
        return await self._ask(control_name(self._instance, site_id), request)

    async def _stop(self, site_id: str, names: list[str], grace_s: float) -> None:
        with contextlib.suppress(OSError):  # gone, and its replicas with it
            await self.ask(site_id, {"stop": {"names": names, "grace_s": grace_s}})

    async def _close(self, name: str, grace_s: float = 0.0) -> None:
        try:
            async with asyncio.timeout(grace_s + _CLOSE_DEADLINE_S):
                await self._ask(name, {"close": True, "grace_s": grace_s})
        except OSError:
            return  # gone already

    async def _ask(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(f"\0{name}", limit=_LONGEST_ANSWER)
        try:
            _check_peer(writer.get_extra_info("socket"))
            writer.write(msgspec.json.encode(request) + b"\n")
            line = await reader.readline()
            if not line:
                raise ConnectionResetError("it went away before it answered")
            answer: dict[str, Any] = msgspec.json.decode(line)
            return answer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _spawn(self, spec: SiteSpec, folder: Path) -> None:
        described = {
            "site_id": spec.site_id,
            "grace_s": self._grace_s if spec.grace_s is None else spec.grace_s,
            "instance": self._instance,
            "socket": control_name(self._instance, spec.site_id),
            "lock": str(self._data_dir / "lock"),
            "bundle": str(self.bundle),
            "authority": str(self.bundle.with_name("ca.pem")),
            "hosts": self._names,
            "replica_hosts": spec.hosts,
            "isolation": spec.isolation,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "spec.json").write_bytes(msgspec.json.encode(described))
            process = await asyncio.create_subprocess_exec(
                *(self._python, "-I", "-S", str(SUPERVISOR), str(folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={"LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        except OSError as error:
            raise OperatorError(
                f"The place of {spec.site_id} could not be made in {folder}: {error}."
            ) from error
        _, said = await process.communicate()
        if process.returncode:
            raise OperatorError(
                f"The supervisor of {spec.site_id} could not start: "
                f"{said.decode(errors='replace').strip()}."
            )

    def _replica(self, ref: Ref) -> Path:
        return self.folder(ref.site_id) / "replicas" / ref.name

    def _read_end(self, ref: Ref) -> Exit | None:
        try:
            return msgspec.json.decode((self._replica(ref) / "exit.json").read_bytes(), type=Exit)
        except (FileNotFoundError, NotADirectoryError):
            return None


def _check_peer(connection: socket.socket) -> None:
    """Refuse a name that another user of the machine took."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    if struct.unpack("3i", found)[1] not in {os.geteuid(), 0}:
        raise PermissionError("the supervisor's name is taken by another user")


def _sockets(prefix: str) -> set[str]:
    """The abstract sockets of this machine whose name begins so."""
    table = Path("/proc/net/unix").read_text(errors="replace")
    return set(re.findall(rf" @({re.escape(prefix)}\S+)$", table, re.MULTILINE))


def _remove_cgroups(prefix: str) -> None:
    """Remove the empty groups that a killed supervisor left."""
    for row in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = row.split(":", 2)
        for controller in _CONTROLLERS.intersection(controllers.split(",")):
            for folder in Path(f"/sys/fs/cgroup/{controller}{own}").glob(f"{prefix}*"):
                with contextlib.suppress(OSError):  # in use
                    folder.rmdir()


def remove_folder(folder: Path) -> None:
    """Remove a folder whatever the modes are that a program left in it."""

    def open_up(function: Any, path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            if Path(path) != folder:  # above it is not ours
                Path(path).parent.chmod(0o700)
            Path(path).chmod(0o700)
            function(path)

    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=open_up)
    else:
        shutil.rmtree(folder, onerror=open_up)
