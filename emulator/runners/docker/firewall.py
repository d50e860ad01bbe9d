"""Closes the engine's machine to its containers: an internal network alone does not.

``internal`` filters what is forwarded; what goes to the machine itself (any port that is open
on any of its addresses) passes through INPUT, where nothing stops it.
"""

import asyncio
import os
import shutil
import subprocess
from typing import Any, Final

import msgspec
from docker.api.client import APIClient

from emulator.errors import OperatorError
from emulator.runners.docker.description import labels
from emulator.runners.docker.engine import Engine
from emulator.runners.docker.networks import bridge_prefix

_DEADLINE_S: Final = 30.0
_WAIT: Final = "iptables -w 5"


class Opening(msgspec.Struct, frozen=True):
    """The one thing of the machine that the relay may reach: the gateway."""

    bridge: str
    address: str
    port: int


class Firewall:
    """Rules of one instance. ``image`` has ``iptables`` where this process may not use its own."""

    def __init__(self, engine: Engine, instance: str, *, image: str, is_here: bool) -> None:
        self._engine = engine
        self._instance = instance
        self._image = image
        self._direct = is_here and os.geteuid() == 0 and bool(shutil.which("iptables"))

    async def close_machine(self, opening: Opening | None) -> str:
        """Put the rules in place; answer why that could not be done, or nothing."""
        return await self._run(closing(self._instance, opening))

    async def why_not(self) -> str:
        """Why the rules could not be put in place here, or nothing; changes nothing."""
        return await self._run(f"{_WAIT} -S INPUT >/dev/null")

    async def remove(self) -> str:
        """Take the rules away; no error if there are none."""
        return await self._run(removal(self._instance))

    async def _run(self, script: str) -> str:
        if self._direct:
            return await asyncio.to_thread(_locally, script)
        if not self._image:
            return "this user may not change this machine's firewall, and no image has iptables"
        try:
            return await self._engine.call(lambda client: self._in_container(client, script))
        except OperatorError as error:
            return str(error)

    def _in_container(self, client: APIClient, script: str) -> str:
        described: dict[str, Any] = {
            "Image": self._image,
            "Entrypoint": ["sh", "-c", f"command -v iptables >/dev/null || exit 127\n{script}"],
            "User": "0:0",
            "Labels": labels(self._instance, role="firewall"),
            "HostConfig": {
                "NetworkMode": "host",
                "CapDrop": ["ALL"],
                "CapAdd": ["NET_ADMIN", "NET_RAW"],
                "Init": True,
            },
        }
        made = client.create_container_from_config(described)["Id"]
        try:
            client.start(made)
            status = int(client.wait(made, timeout=_DEADLINE_S)["StatusCode"])
            said = client.logs(made).decode(errors="replace").strip()
        finally:
            client.remove_container(made, force=True, v=True)
        if status == 127:  # noqa: PLR2004 the shell's "not found"
            return f"the image {self._image} has no iptables"
        return said or f"iptables ended with status {status}" if status else ""


def chain(instance: str) -> str:
    return f"CMLE-{instance[:6]}"


def closing(instance: str, opening: Opening | None) -> str:
    """A shell script; running it again changes nothing."""
    name = chain(instance)
    jump = f"-i {bridge_prefix(instance)}+ -j {name}"
    rules = ["-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"]
    if opening is not None:
        rules.append(
            f"-i {opening.bridge} -d {opening.address} -p tcp --dport {opening.port} -j ACCEPT"
        )
    rules.append("-j DROP")
    lines = [
        "set -e",
        f"{_WAIT} -N {name} 2>/dev/null || {_WAIT} -F {name}",
        *(f"{_WAIT} -A {name} {rule}" for rule in rules),
        f"{_WAIT} -C INPUT {jump} 2>/dev/null || {_WAIT} -I INPUT {jump}",
    ]
    return "\n".join(lines)


def removal(instance: str) -> str:
    name, bridges = chain(instance), f"{bridge_prefix(instance)}+"
    return "\n".join(
        (
            f"while {_WAIT} -D INPUT -i {bridges} -j {name} 2>/dev/null; do :; done",
            f"{_WAIT} -F {name} 2>/dev/null && {_WAIT} -X {name}",
            "true",
        )
    )


def _locally(script: str) -> str:
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_DEADLINE_S,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"iptables did not end within {_DEADLINE_S:.0f} s"
    if done.returncode == 0:
        return ""
    return done.stderr.strip() or f"iptables ended with status {done.returncode}"
