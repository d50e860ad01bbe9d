"""How a container is started: its image, its files, its network."""

import asyncio
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker.api.client import APIClient

from emulator.cluster import WORK_TARGET, Bind, Line, Network, SiteSpec
from emulator.errors import OperatorError
from emulator.identity import Identity, Kind

if TYPE_CHECKING:
    from tests.runners.conftest import DockerBench

pytestmark = pytest.mark.docker

JOB = Network(Identity(Kind.JOB, "p", "job1"))
OTHER = Network(Identity(Kind.JOB, "p", "job2"))
HELLO = """
import socket
for host, port in {places!r}:
    with socket.create_connection((host, port), timeout=30) as connection:
        print(connection.makefile().read())
"""
SLEEP = "import time\nprint('up')\ntime.sleep(600)"


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


async def asked(host: str, port: int) -> bytes:
    """What is said to whoever connects, once somebody listens."""
    async with asyncio.timeout(30):
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer


# -- starting


def test_a_missing_image_is_the_jobs_failure(contained: "DockerBench") -> None:
    lines, end = contained.outcome("", image="nope/none:1")
    assert lines == []
    assert end.reason == "failed_to_start"
    assert "nope/none:1 is not on this machine" in end.message


def test_a_program_that_may_not_run(contained: "DockerBench") -> None:
    _, end = contained.outcome("", argv=("/etc/passwd",))
    assert end.reason == "failed_to_start"
    assert "/etc/passwd cannot be run" in end.message


def test_no_image_is_said(contained: "DockerBench") -> None:
    with pytest.raises(OperatorError, match="names no container image"):
        contained.outcome("", image="")


def test_a_writable_folder_is_refused(contained: "DockerBench", tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot write into"):
        contained.outcome("", binds=(Bind(str(tmp_path), "/x", writable=True),))


def test_it_sees_copies_it_cannot_change(contained: "DockerBench", tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    code = """
        import os
        print(open("/opt/x/file").read(), os.getuid(), os.getcwd())
        open("mine", "w").close()
        open(os.path.expanduser("~/mine"), "w").close()
        for path in ("/opt/x/file", "/opt/x/new", "/usr/x", "/etc/x"):
            try:
                open(path, "w")
                print("wrote", path)
            except OSError:
                pass
    """
    binds = (Bind(str(tmp_path), "/opt/x"),)
    lines, end = contained.outcome(textwrap.dedent(code), binds=binds)
    assert end.succeeded
    assert texts(lines) == ["content 65534 /user_dir"]


def test_its_environment_is_what_it_is_given(
    contained: "DockerBench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_HOST", "1")
    code = "import os\nfor name in sorted(os.environ): print(name)"
    lines, _ = contained.outcome(code, env={"A": "b"})
    expected = ["A", "CMLE_LOG_STREAM", "HOME", "HOSTNAME", "LANG", "NVIDIA_VISIBLE_DEVICES"]
    assert texts(lines) == [*expected, "PATH"]  # LANG and PATH are the image's


def test_a_child_that_runs_out_of_memory_is_no_end(contained: "DockerBench") -> None:
    code = """
        import subprocess, sys
        code = "b = bytearray(400 << 20); b[::4096] = b'x' * len(b[::4096])"
        child = subprocess.run([sys.executable, "-c", code])
        print(child.returncode)
        sys.exit(3)
    """
    lines, end = contained.outcome(textwrap.dedent(code), memory_bytes=128 << 20)
    assert texts(lines)[-1] == "-9"
    assert (end.code, end.out_of_memory) == (3, False)


def test_a_python_that_is_read_by_another_is_left_alone(contained: "DockerBench") -> None:
    code = """
        import logging, subprocess, sys
        code = "import logging; logging.warning('inner')"
        said = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE).stderr
        logging.warning("outer %r", said)
    """
    lines, _ = contained.outcome(textwrap.dedent(code))
    assert texts(lines) == ["outer b'WARNING:root:inner\\n'"]
    assert lines[0].stream == "log"


# -- an image that has a replica's folders

SEEN = """
import os
print(open("/etc/ssl/cert.pem").read(), os.getcwd(), os.stat(".").st_uid)
open("mine", "w").close()
open(os.path.expanduser("~/mine"), "w").close()
import sitecustomize
for path in (sitecustomize.__file__, "/etc/ssl/certs/new", "/etc/ssl/cert.pem"):
    try:
        open(path, "w")
        print("wrote", path)
    except OSError as error:
        print(error.strerror)
"""


def authority(bench: "DockerBench", text: str) -> None:
    folder = bench.data_dir / "authority"
    folder.mkdir(exist_ok=True)
    (folder / "ca.pem").write_text(text)
    (folder / "bundle.pem").write_text(f"{text} and others")


def test_nothing_is_unpacked_into_a_ready_image(
    contained: "DockerBench", ready_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its containers share volumes that one that is never started has filled."""
    unpacked: list[str] = []
    put = APIClient.put_archive

    def put_archive(client: APIClient, container: str, path: str, data: bytes) -> bool:
        unpacked.append(container)
        return bool(put(client, container, path, data))

    async def work() -> list[str]:
        said = []
        authority(contained, "ours")
        for name in ("first", "second"):
            ref = await contained.start(SEEN, name, image=ready_image, network=JOB)
            said += texts(await contained.lines(ref))
            await contained.runner.close(name)
        assert len(unpacked) == 2
        assert all(f"cmle-{contained.instance}-fill-" in name for name in unpacked)
        authority(contained, "another")
        ref = await contained.start(SEEN, "third", image=ready_image, network=JOB)
        said += texts(await contained.lines(ref))
        assert len(unpacked) == 3
        await contained.runner.close("third")
        return said

    async def ready() -> None:
        runner: Any = contained.runner
        await runner.ready()  # the relay is filled by itself

    contained.run(ready())
    monkeypatch.setattr(APIClient, "put_archive", put_archive)
    refused = ["Read-only file system"] * 3
    seen = [f"ours {WORK_TARGET} 65534", *refused]
    assert contained.run(work()) == [*seen, *seen, f"another {WORK_TARGET} 65534", *refused]


def test_a_ready_image_gets_what_is_its_own(
    contained: "DockerBench", ready_image: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("content")
    code = "print(open('/opt/x/file').read(), open('file').read())"
    binds = (Bind(str(tmp_path), "/opt/x"),)
    lines, _ = contained.outcome(code, image=ready_image, binds=binds, work_dir=str(tmp_path))
    assert texts(lines) == ["content content"]


# -- the network


def test_replicas_reach_each_other_by_name(contained: "DockerBench") -> None:
    server = """
        import os, socket
        listener = socket.create_server(("", 2222)) if hasattr(socket, "create_server") else None
        if listener is None:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", 2222))
            listener.listen(5)
        connection, _ = listener.accept()
        connection.sendall(socket.gethostname().encode())
        connection.close()
    """
    client = """
        import socket, time
        for attempt in range(200):
            try:
                connection = socket.create_connection(("cmle-training-ps-0123456789-0", 2222), 5)
                break
            except OSError:
                time.sleep(0.1)
        print(connection.makefile().read())
    """
    hosts = ("cmle-training-master-0123456789-0", "cmle-training-ps-0123456789-0")

    async def work() -> list[Line]:
        site = await contained.runner.open(SiteSpec("site", hosts=hosts, isolation="container"))
        assert site.addresses == {host: f"{host}:2222" for host in hosts}
        ps = contained.replica(textwrap.dedent(server), "ps-0", hostname=hosts[1])
        await site.start(ps)
        master = contained.replica(textwrap.dedent(client), "master-0", hostname=hosts[0])
        return await contained.lines(await site.start(master))

    assert texts(contained.run(work())) == [hosts[1]]


def test_reaches_the_gateway_by_googles_names(contained: "DockerBench") -> None:
    places = [
        ("storage.googleapis.com", 443),
        ("any-bucket.storage.googleapis.com", 443),
        ("an-own-region1-ml.googleapis.com", 443),
        ("metadata.google.internal", 80),
        ("metadata", 80),
    ]

    async def work() -> tuple[list[Line], list[Line]]:
        async with contained.gateway():
            code = HELLO.format(places=places)
            first = await contained.start(code, network=JOB)
            second = await contained.start(code, "second", network=OTHER)
            return await contained.lines(first), await contained.lines(second)

    first, second = contained.run(work())
    assert texts(first) == ["job1"] * 5
    assert texts(second) == ["job2"] * 5


def test_other_names_fail_at_once(contained: "DockerBench") -> None:
    code = (
        "import socket\ntry: socket.getaddrinfo('pypi.example', 443)\nexcept OSError as e: print(e)"
    )
    lines, _ = contained.outcome(code, network=JOB)
    assert "Name or service not known" in lines[0].text


def test_the_way_to_allowed_hosts_is_a_proxy(contained: "DockerBench") -> None:
    network = Network(Identity(Kind.INSTALL, "", "some"), "hosts", ("host:443",))
    code = """
        import os, socket, urllib.parse
        proxy = urllib.parse.urlsplit(os.environ["https_proxy"])
        with socket.create_connection((proxy.hostname, proxy.port), timeout=30) as connection:
            print(connection.makefile().read())
    """

    async def work() -> list[Line]:
        async with contained.gateway():
            return await contained.lines(
                await contained.start(textwrap.dedent(code), network=network)
            )

    assert texts(contained.run(work())) == ["some"]


def test_waits_while_the_gateway_is_gone(contained: "DockerBench") -> None:
    async def work() -> list[Line]:
        code = HELLO.format(places=[("ml.googleapis.com", 443)])
        ref = await contained.start(code, network=JOB)
        await asyncio.sleep(1)
        async with contained.gateway():
            return await contained.lines(ref)

    assert texts(contained.run(work())) == ["job1"]


def test_one_site_has_one_identity(contained: "DockerBench") -> None:
    async def work() -> None:
        await contained.start(SLEEP, network=JOB)
        with pytest.raises(OperatorError, match="one identity"):
            await contained.start(SLEEP, name="other", network=OTHER)

    contained.run(work())


def test_a_socket_inside_is_reached_from_here(contained: "DockerBench") -> None:
    code = """
        import os, socket
        with socket.socket(fileno=3) as listener:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(os.environ["CMLE_LISTEN_FDS"].encode())
    """

    async def work() -> bytes:
        ref = await contained.start(textwrap.dedent(code), listen=("server",))
        address = await contained.runner.reach(ref, "server")
        assert isinstance(address, tuple)
        answer = await asked(*address)
        assert (await contained.runner.wait(ref)).succeeded
        with pytest.raises(OperatorError, match="does not run"):
            await contained.runner.reach(ref, "server")
        return answer

    assert contained.run(work()) == b"1"
