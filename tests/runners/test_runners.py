"""What a replica sees of the machine, and its one way out."""

import asyncio
import json
import secrets
import socket
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.cluster import Bind, Exit, Line, Network
from emulator.identity import Identity, Kind
from emulator.lifecycle import is_retryable

if TYPE_CHECKING:
    from tests.runners.conftest import Bench

JOB = Network(Identity(Kind.JOB, "p", "job1"))
HELLO = """
    import os, socket, sys
    for host, port in {places!r}:
        port = int(os.environ.get("PORT", port))
        with socket.create_connection((host, port), timeout=30) as connection:
            print(connection.makefile().read())
"""
CALL_WHEN_TOLD = """
    import os, pathlib, socket, time
    for number in range(3):
        while not pathlib.Path(str(number)).exists():
            time.sleep(0.01)
        place = ("127.0.0.1", int(os.environ["PORT"]))
        with socket.create_connection(place, timeout=30) as connection:
            print(number, "connected")
            print(number, connection.makefile().read())
"""
PORT = {"PORT": "{gateway_port}"}


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def evaluate(bench: "Bench", expression: str, **fields: Any) -> Any:
    """What an expression is inside."""
    code = f"import glob, json, os, socket, sys\nprint(json.dumps(({expression})))"
    fields.setdefault("site_id", secrets.token_hex(4))
    lines, end = bench.outcome(code, **fields)
    assert end.succeeded, texts(lines)
    return json.loads(lines[0].text)


# -- what it sees


def test_sees_no_files_of_the_machine(sandboxed: "Bench") -> None:
    secret = sandboxed.data_dir / "secret"
    secret.touch()
    hidden = [
        str(secret),
        "/etc/shadow",
        "/etc/machine-id",
        str(Path.home() / ".bashrc"),
        "/sys/fs",
    ]
    expression = f"[path for path in {hidden!r} if os.path.exists(path)]"
    assert evaluate(sandboxed, expression) == []
    assert evaluate(sandboxed, f"os.listdir({str(sandboxed.data_dir)!r})") == ["work"]


def test_cannot_write_into_the_system(sandboxed: "Bench") -> None:
    code = """
        import os, sys
        for path in ("/usr/x", "/usr/bin/x", sys.base_prefix + "/x", "/etc/alternatives/x",
                     "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
            try:
                open(path, "w").close()
                print(path)
            except OSError:
                pass
    """
    lines, end = sandboxed.outcome(textwrap.dedent(code))
    assert (texts(lines), end.code) == ([], 0)


def test_has_places_of_its_own_to_write(sandboxed: "Bench") -> None:
    code = """
        import multiprocessing, tempfile
        for folder in ("/tmp", "/var/tmp", "/root", "/run", "/dev/shm", "."):
            tempfile.NamedTemporaryFile(dir=folder).close()
        multiprocessing.Lock()
        open("/dev/null", "w").write("x")
        assert len(open("/dev/urandom", "rb").read(4)) == 4
    """
    lines, end = sandboxed.outcome(textwrap.dedent(code))
    assert (texts(lines), end.code) == ([], 0)


def test_sees_its_own_processes_only(sandboxed: "Bench") -> None:
    assert evaluate(sandboxed, "sorted(map(int, filter(str.isdigit, os.listdir('/proc'))))") == [
        1,
        2,
    ]


def test_has_no_privileges(sandboxed: "Bench") -> None:
    rows = evaluate(sandboxed, "open('/proc/self/status').read().splitlines()")
    status = dict(row.split(":\t", 1) for row in rows)
    assert {int(status[name], 16) for name in status if name.startswith("Cap")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert evaluate(sandboxed, "os.getuid(), os.path.expanduser('~root')") == [0, "/root"]


def test_reaches_no_socket_of_the_machine(sandboxed: "Bench") -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as local:
        local.bind(f"\0cmle-test-{sandboxed.instance}")
        local.listen()
        port = tcp.getsockname()[1]
        assert evaluate(sandboxed, f"socket.socket().connect_ex(('127.0.0.1', {port}))") != 0
        names = evaluate(sandboxed, "open('/proc/net/unix').read()")
        assert sandboxed.instance not in names


def test_other_names_fail_at_once(sandboxed: "Bench") -> None:
    code = (
        "import socket\ntry: socket.getaddrinfo('pypi.example', 443)\nexcept OSError as e: print(e)"
    )
    lines, _ = sandboxed.outcome(code, network=JOB)
    assert "Name or service not known" in lines[0].text


def test_binds_are_seen_where_they_are_to_be(sandboxed: "Bench", tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    binds = (Bind(str(tmp_path), "/root/.local/x"), Bind(str(tmp_path / "file"), "/opt/a/file"))
    code = "open('/opt/a/file').read() + open('/root/.local/x/file').read()"
    assert evaluate(sandboxed, code, binds=binds) == "contentcontent"
    lines, _ = sandboxed.outcome(
        "try: open('/root/.local/x/new', 'w')\nexcept OSError as e: print(e.strerror)",
        binds=binds,
        site_id="second",
    )
    assert texts(lines) == ["Read-only file system"]


def test_a_work_dir_may_be_shown_elsewhere(sandboxed: "Bench", tmp_path: Path) -> None:
    binds = (Bind(str(tmp_path), "/user_dir", writable=True),)
    code = "import os; open('made', 'w').close(); print(os.getcwd())"
    lines, _ = sandboxed.outcome(code, work_dir=str(tmp_path), binds=binds)
    assert texts(lines) == ["/user_dir"]
    assert (tmp_path / "made").exists()


def test_creates_nothing_in_a_folder_that_is_shown(sandboxed: "Bench", tmp_path: Path) -> None:
    binds = (Bind(str(tmp_path), "/data"), Bind("/usr/bin", "/data/bin"))
    _, end = sandboxed.outcome("", binds=binds)
    assert end.reason == "failed_to_start"
    assert "/data/bin does not exist" in end.message
    assert list(tmp_path.iterdir()) == []


def test_trusts_the_emulators_authority(sandboxed: "Bench") -> None:
    bundle = sandboxed.data_dir / "authority" / "bundle.pem"
    bundle.parent.mkdir()
    bundle.write_text("the bundle")
    for path in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        assert evaluate(sandboxed, f"open({path!r}).read()") == "the bundle"


def test_too_much_memory_is_told(anywhere: "Bench") -> None:
    code = """
        import os, time
        blocks = []
        while True:
            blocks.append(os.urandom(1 << 20) * 8)
    """
    _, end = anywhere.outcome(textwrap.dedent(code), memory_bytes=200 << 20)
    assert (end.out_of_memory, end.signal) == (True, 9)


def test_enough_memory_is_not(anywhere: "Bench") -> None:
    _, end = anywhere.outcome("block = bytearray(50 << 20)", memory_bytes=400 << 20)
    assert (end.out_of_memory, end.code) == (False, 0)


# -- its ways in and out


def test_a_full_disk_refuses_to_be_written(anywhere: "Bench") -> None:
    code = """
        import errno, time
        try:
            with open("large", "wb") as file:
                file.write(b"x" * (3 << 20))
        except OSError as error:
            print(errno.errorcode[error.errno])
        else:
            time.sleep(600)
    """
    lines, end = anywhere.outcome(
        textwrap.dedent(code), disk_bytes=1 << 20, has_full_disk=True, memory_bytes=256 << 20
    )
    if anywhere.isolation == "none":  # nobody can make such a disk there
        assert "held 3 MB, more than the 1 MB" in end.message
    else:
        assert (texts(lines), end.code) == (["ENOSPC"], 0)


def test_a_disk_has_room_for_what_it_has_room_for(anywhere: "Bench") -> None:
    code = "import tempfile\nopen('large', 'wb').write(b'x' * (3 << 20)); tempfile.TemporaryFile()"
    _, end = anywhere.outcome(code, disk_bytes=4 << 20, has_full_disk=True)
    assert end.code == 0


def test_one_goes_and_the_others_stay(anywhere: "Bench") -> None:
    """As when one machine of a job's is preempted."""
    waits = (
        "import pathlib, time\nprint('up')\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)"
    )

    async def work() -> tuple[Exit, Exit]:
        stays = await anywhere.start(waits, name="worker-0")
        goes = await anywhere.start(waits, name="worker-1")
        for ref in (stays, goes):
            await anywhere.until_line(ref, "up")
        await anywhere.runner.stop([goes], 0)
        gone = await anywhere.runner.wait(goes)
        await anywhere.touch(stays, "go")
        return gone, await anywhere.runner.wait(stays)

    gone, stayed = anywhere.run(work())
    assert (gone.reason, gone.signal) == ("stopped", 9)
    assert is_retryable(gone)
    assert stayed.succeeded


def test_serves_on_the_sockets_that_it_inherits(bench: "Bench") -> None:
    name = f"cmle-version-{bench.instance}-site"
    code = """
        import os, socket
        with socket.socket(fileno=3) as listener:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(os.environ["CMLE_LISTEN_FDS"].encode())
    """

    async def work() -> bytes:
        ref = await bench.start(textwrap.dedent(code), listen=(name,))
        reader, writer = await asyncio.open_unix_connection(f"\0{name}")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert (await bench.runner.wait(ref)).succeeded
        return answer

    assert bench.run(work()) == b"1"


def test_reaches_the_gateway_by_googles_names(sandboxed: "Bench") -> None:
    places = [
        ("storage.googleapis.com", 443),
        ("an-own-region1-ml.googleapis.com", 443),
        ("metadata", 80),
        ("169.254.169.254", 80),
    ]

    async def work() -> list[Line]:
        async with sandboxed.gateway() as gateway:
            ref = await sandboxed.start(textwrap.dedent(HELLO.format(places=places)), network=JOB)
            lines = await sandboxed.lines(ref)
            assert gateway.networks == [JOB]
            return lines

    assert texts(sandboxed.run(work())) == ["job1"] * 4


@pytest.mark.parametrize("scope", ["google", "hosts"])
def test_reaches_the_gateway_by_its_port(bench: "Bench", scope: Any) -> None:
    network = Network(Identity(Kind.INSTALL, "p", "some"), scope, ("host:443",))
    code = textwrap.dedent(HELLO.format(places=[("127.0.0.1", 0)]))

    async def work() -> list[Line]:
        async with bench.gateway() as gateway:
            ref = await bench.start(code, network=network, env=PORT)
            lines = await bench.lines(ref)
            assert gateway.networks == [network]
            return lines

    assert texts(bench.run(work())) == ["some"]


def test_knows_its_proxy(bench: "Bench") -> None:
    network = Network(Identity(Kind.INSTALL), "hosts", ("host:443",))
    code = "os.environ['https_proxy'], os.environ['no_proxy'], os.environ['HTTPS_PROXY']"
    found = evaluate(bench, code, network=network, env={"HTTPS_PROXY": "own"})
    assert found[0].startswith("http://127.0.0.1:")
    assert int(found[0].rpartition(":")[2]) > 0
    assert found[1:] == ["localhost,127.0.0.1", "own"]


def test_waits_while_the_gateway_is_gone(bench: "Bench") -> None:
    """The listeners stay open, and a new gateway gets them."""

    async def work() -> list[Line]:
        work_dir = bench.data_dir / "work"
        async with bench.gateway():
            ref = await bench.start(textwrap.dedent(CALL_WHEN_TOLD), network=JOB, env=PORT)
            (work_dir / "0").touch()
            await bench.until_line(ref, "0 job1")
        (work_dir / "1").touch()
        await bench.until_line(ref, "1 connected")
        async with bench.gateway():
            await bench.until_line(ref, "1 job1")
            (work_dir / "2").touch()
            return await bench.lines(ref)

    found = texts(bench.run(work()))
    assert found == ["0 connected", "0 job1", "1 connected", "1 job1", "2 connected", "2 job1"]


def test_starts_before_the_gateway(bench: "Bench") -> None:
    async def work() -> list[Line]:
        code = textwrap.dedent(HELLO.format(places=[("127.0.0.1", 0)]))
        ref = await bench.start(code, network=JOB, env=PORT)
        async with bench.gateway():
            return await bench.lines(ref)

    assert texts(bench.run(work())) == ["job1"]


def test_without_a_network_it_has_none(sandboxed: "Bench") -> None:
    assert evaluate(sandboxed, "socket.socket().connect_ex(('127.0.0.1', 443))") != 0
    assert evaluate(sandboxed, "[n for _, n in socket.if_nameindex() if n == 'lo']") == ["lo"]
