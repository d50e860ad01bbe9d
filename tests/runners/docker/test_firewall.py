"""The rules that close the machine, and a program that tries to get out of its container."""

import json
import os
import re
import socket
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.cluster import Bind, Network
from emulator.identity import Identity, Kind
from emulator.runners.docker.firewall import Opening, chain, closing, removal

if TYPE_CHECKING:
    from emulator.runners.docker.engine import Engine
    from tests.runners.conftest import DockerBench

ROOT = Path(__file__).parents[3]
NOBODY = 65534
ATTEMPTS = Path(__file__).parent.parent / "escape_attempts.py"
JOB = Network(Identity(Kind.JOB, "p", "job1"))
VICTIM = """
import socket, time
listener = socket.socket()
listener.bind(("", 2222))
listener.listen(5)
print("up")
time.sleep(600)
"""
# Process 1 is its own init, and its own user's: to join what one is in already is no way out.
HARMLESS = {"join the network of process 1", "join the mounts of process 1"}


@contextmanager
def listening() -> Iterator[int]:
    """A port of this machine that is open on every address."""
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104 that is the point

        def accept() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def own_addresses() -> list[str]:
    """Of this machine: bridges of containers, and those outside."""
    table = Path("/proc/net/fib_trie").read_text()
    return sorted(set(re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", table)))


@pytest.mark.docker
@pytest.mark.timeout(360)
def test_nothing_gets_out(contained: "DockerBench") -> None:
    contained.deadline_s = 300.0  # every closed door takes two seconds

    async def work(port: int) -> list[dict[str, Any]]:
        async with contained.gateway():
            victim = await contained.start(VICTIM, "victim", network=JOB, listen=("s",))
            await contained.until_line(victim, "up")
            reached = await contained.runner.reach(victim, "s")
            assert isinstance(reached, tuple)
            config = {
                "tcp": [["another job's replica", reached[0], 2222]]
                + [["this machine", own, port] for own in own_addresses()],
                "ports": [port],
                "unix": ["/var/run/docker.sock"],
                "abstract": [f"cmle-gateway-{contained.instance}"],
                "read": [str(contained.data_dir), "/etc/shadow", str(Path.home() / ".bashrc")],
                "write": ["/usr/x", "/etc/passwd", "/bin/sh"],
                "pids": [os.getpid()],
                "commands": ["pytest", "dockerd"],
                "variables": ["OF_THE_HOST", "PIP_INDEX_URL"],
                "metadata": ["job1"],
            }
            ref = await contained.start(
                "",
                network=JOB,
                argv=("python3", "-u", "/opt/escape_attempts.py", json.dumps(config)),
                binds=(Bind(str(ATTEMPTS), "/opt/escape_attempts.py"),),
            )
            lines = await contained.lines(ref)
            assert (await contained.runner.wait(ref)).succeeded, [line.text for line in lines]
            return [json.loads(line.text) for line in lines]

    with listening() as port:
        found = contained.run(work(port))
    assert len(found) > 60
    escaped = {row["attempt"]: row["detail"] for row in found if row["escaped"]}
    assert {name: escaped[name] for name in escaped if name not in HARMLESS} == {}
    runner: Any = contained.runner
    assert runner.relay.open_because == ""


@pytest.mark.docker
@pytest.mark.timeout(420)
def test_nor_of_an_ordinary_users_emulator(
    docker_engine: "Engine", data_dir: Path, nobodys_python: str
) -> None:
    """The test above by a member of the engine's group: a helper container sets the rules."""
    if not docker_engine.client.images("cmle/emulator:latest"):
        missing("cmle/emulator:latest is not there (make images)")
    os.chown(data_dir, NOBODY, NOBODY)
    group = Path("/var/run/docker.sock").stat().st_gid
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={group}"]
    test = f"{Path(__file__)}::{test_nothing_gets_out.__name__}"
    done = subprocess.run(
        [*become, nobodys_python, "-m", "pytest", "-p", "no:cacheprovider", "-rA", test],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir),
            "TMPDIR": str(data_dir),
            "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
            "CMLE_REQUIRE_DOCKER": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def missing(reason: str) -> None:
    if os.environ.get("CMLE_REQUIRE_DOCKER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def test_only_the_gateway_is_open() -> None:
    script = closing("0123456789ab", Opening("cm012345-aa", "10.213.0.1", 4000))
    rules = [line for line in script.splitlines() if " -A " in line]
    assert [rule.rpartition("-j ")[2] for rule in rules] == ["ACCEPT", "ACCEPT", "DROP"]
    assert "-i cm012345-aa -d 10.213.0.1 -p tcp --dport 4000 -j ACCEPT" in rules[1]
    assert "-I INPUT -i cm012345+ -j CMLE-012345" in script


def test_nothing_is_open_where_the_gateway_is_in_a_container() -> None:
    assert "--dport" not in closing("0123456789ab", None)


def test_what_is_made_is_removed() -> None:
    name = chain("0123456789ab")
    assert f"-X {name}" in removal("0123456789ab")
    assert "-D INPUT -i cm012345+" in removal("0123456789ab")
