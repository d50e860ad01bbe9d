"""The contract of a site with hosts: its replicas reach each other, and nobody else does.

``anywhere`` is every runner, ``bench`` and ``sandboxed`` are processes.
"""

import asyncio
import contextlib
import json
import os
import signal
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.cluster import Exit, Line, Network, Ref, SiteSpec
from emulator.errors import OperatorError
from emulator.identity import Identity, Kind
from emulator.runners import Metered, Site

if TYPE_CHECKING:
    from tests.runners.conftest import Bench

HOSTS = tuple(f"cmle-training-{role}-0123456789-0" for role in ("master", "worker", "ps"))
JOB = Network(Identity(Kind.JOB, "p", "job1"))
PATH = {"PATH": "/usr/bin:/bin"}

# Serves its own name at its own address, and visits every host until each has answered.
VISIT = """
import json, os, socket, threading, time
addresses, me = json.loads(os.environ["ADDRESSES"]), os.environ["ME"]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.environ.get("REUSE", 1)))
listener.bind(("", int(addresses[me].rpartition(":")[2])))
listener.listen()
visited = set()
def serve():
    while True:
        connection, _ = listener.accept()
        connection.sendall(me.encode())
        connection.close()
threading.Thread(target=serve, daemon=True).start()
while len(visited) < len(addresses):
    for host, address in addresses.items():
        name, _, port = address.rpartition(":")
        try:
            with socket.create_connection((name, int(port)), 5) as connection:
                said = connection.makefile().read()
                assert said in (host, ""), (said, host)
                visited.update([said] if said else [])
        except OSError:  # it is not up yet, or has just ended
            time.sleep(0.02)
print("visited", len(visited), flush=True)
"""
STAY = VISIT + "time.sleep(600)"


def spec(bench: "Bench", site_id: str = "site", hosts: Iterable[str] = HOSTS) -> SiteSpec:
    return SiteSpec(site_id, 30.0, tuple(hosts), bench.isolation)


async def start(
    bench: "Bench", site: Site, host: str, code: str, *, name: str = "", **fields: Any
) -> Ref:
    env = {**PATH, "ADDRESSES": json.dumps(dict(site.addresses)), "ME": host}
    env |= fields.pop("env", {})
    replica = bench.replica(code, name or host, hostname=host, work_dir="", env=env, **fields)
    return await site.start(replica)


def texts(lines: Iterable[Line]) -> list[str]:
    return [line.text for line in lines]


def test_replicas_reach_each_other(anywhere: "Bench") -> None:
    async def work() -> list[str]:
        site = await anywhere.runner.open(spec(anywhere))
        assert tuple(site.addresses) == HOSTS
        refs = [await start(anywhere, site, host, STAY) for host in HOSTS]
        for ref in refs:
            await anywhere.until_line(ref, "visited 3")
        await anywhere.runner.close("site")
        return [(await anywhere.runner.wait(ref)).reason for ref in refs]

    assert anywhere.run(work()) == ["stopped"] * 3


def test_addresses_are_the_services(sandboxed: "Bench") -> None:
    site = sandboxed.run(sandboxed.runner.open(spec(sandboxed)))
    assert site.addresses == {host: f"{host}:2222" for host in HOSTS}


def test_addresses_are_found_again(bench: "Bench") -> None:
    async def work() -> None:
        site = await bench.runner.open(spec(bench))
        again = await bench.another_runner().open(spec(bench))
        assert again.addresses == site.addresses
        pid = await bench.supervisor_pid()
        os.kill(pid, signal.SIGKILL)
        await bench.until(lambda: not Path(f"/proc/{pid}").exists(), "its end")
        anew = await bench.runner.open(spec(bench))
        assert anew.addresses == site.addresses
        assert len({*site.addresses.values()}) == len(HOSTS)

    bench.run(work())


def test_a_site_without_hosts_has_no_addresses(anywhere: "Bench") -> None:
    assert anywhere.run(anywhere.runner.open(spec(anywhere, hosts=()))).addresses == {}


def test_a_restarted_replica_keeps_its_place(anywhere: "Bench") -> None:
    """Its peers, which never stopped, find the new one under the same address.

    In namespaces nothing in its network is left of the first, not even connections that
    the kernel remembers: a server that does not set SO_REUSEADDR may have the port again.
    """
    where = """
import json, os, socket
name, _, port = json.loads(os.environ["ADDRESSES"])[os.environ["ME"]].rpartition(":")
print(socket.gethostname(), socket.gethostbyname(name), port, flush=True)
"""
    env = {"REUSE": "0" if anywhere.isolation == "namespaces" else "1"}

    async def work() -> list[list[str]]:
        site = await anywhere.runner.open(spec(anywhere))
        for host in HOSTS[1:]:
            await start(anywhere, site, host, STAY)
        found = []
        for name in ("first", "second", "third"):
            ref = await start(anywhere, site, HOSTS[0], where + VISIT, name=name, env=env)
            found.append(texts(await anywhere.lines(ref)))
            assert (await anywhere.runner.wait(ref)).succeeded
        return found

    first, *others = anywhere.run(work())
    assert others == [first, first]
    assert first[-1] == "visited 3"


def test_a_replica_is_called_as_the_service_calls_it(sandboxed: "Bench") -> None:
    code = """
        import json, socket
        print(json.dumps([socket.gethostname(), open("/etc/hostname").read().strip(),
            [name for _, name in socket.if_nameindex()]]))
    """

    async def work() -> list[Line]:
        site = await sandboxed.runner.open(spec(sandboxed))
        ref = await start(sandboxed, site, HOSTS[1], textwrap.dedent(code))
        return await sandboxed.lines(ref)

    (line,) = sandboxed.run(work())
    assert json.loads(line.text) == [HOSTS[1], HOSTS[1], ["lo", "eth0"]]


def test_every_replica_has_the_jobs_gateway(bench: "Bench") -> None:
    """By Google's names in namespaces, by the port that variables name elsewhere."""
    name = "storage.googleapis.com" if bench.isolation == "namespaces" else "127.0.0.1"
    code = f"""
        import os, socket
        with socket.create_connection(({name!r}, int(os.environ["PORT"])), 30) as connection:
            print(connection.makefile().read())
    """

    async def work() -> list[str]:
        async with bench.gateway() as gateway:
            site = await bench.runner.open(spec(bench))
            found = []
            for number, host in enumerate((*HOSTS, HOSTS[0])):  # the first once more
                ref = await start(
                    bench,
                    site,
                    host,
                    textwrap.dedent(code),
                    name=f"replica-{number}",
                    network=JOB,
                    env={"PORT": "{gateway_port}"},
                )
                found += texts(await bench.lines(ref))
            assert gateway.networks == [JOB] * 4
            return found

    assert bench.run(work()) == ["job1"] * 4


def test_the_gateway_of_a_replica_is_not_its_peers(sandboxed: "Bench") -> None:
    code = f"""
        import socket
        for port in (443, 80, 81):
            print(socket.socket().connect_ex(({HOSTS[0]!r}, port)))
    """

    async def work() -> list[Line]:
        async with sandboxed.gateway():
            site = await sandboxed.runner.open(spec(sandboxed))
            first = await start(sandboxed, site, HOSTS[0], STAY, network=JOB)
            ref = await start(sandboxed, site, HOSTS[1], textwrap.dedent(code), network=JOB)
            lines = await sandboxed.lines(ref)
            await sandboxed.runner.stop([first], 0)
            return lines

    assert texts(sandboxed.run(work())) == ["111"] * 3  # ECONNREFUSED


def test_another_site_is_out_of_reach(sandboxed: "Bench") -> None:
    """Though it has the same host names, and addresses, at the same time."""
    serve = """
        import socket
        with socket.create_server(("", 2222)) as listener:
            print("up", flush=True)
            listener.accept()
            print("reached", flush=True)
    """
    call = f"""
        import socket
        for place in [(name, 2222) for name in {HOSTS!r}] + [("10.99.0.1", 2222)]:
            print(socket.socket().connect_ex(place) != 0)
    """

    async def work() -> list[str]:
        there = await sandboxed.runner.open(spec(sandboxed, "there"))
        here = await sandboxed.runner.open(spec(sandboxed, "here"))
        serving = await start(sandboxed, there, HOSTS[0], textwrap.dedent(serve))
        await sandboxed.until_line(serving, "up")
        calling = await start(sandboxed, here, HOSTS[1], textwrap.dedent(call))
        found = texts(await sandboxed.lines(calling))
        await sandboxed.runner.stop([serving], 0)
        return found + texts(await sandboxed.lines(serving))

    assert sandboxed.run(work()) == ["True"] * 4 + ["up"]


def test_a_host_of_another_site_is_refused(anywhere: "Bench") -> None:
    async def work() -> None:
        site = await anywhere.runner.open(spec(anywhere))
        with pytest.raises(OperatorError, match="elsewhere is not a host of this site"):
            await site.start(anywhere.replica("", hostname="elsewhere"))

    anywhere.run(work())


def test_no_proxy_stands_between_peers(anywhere: "Bench") -> None:
    network = Network(Identity(Kind.JOB, "p", "job1"), allow_hosts=("example.com:443",))
    code = "import os\nprint(os.environ['https_proxy'] != '', os.environ['no_proxy'])"

    async def work() -> list[Line]:
        site = await anywhere.runner.open(spec(anywhere))
        ref = await start(anywhere, site, HOSTS[0], code, network=network)
        return await anywhere.lines(ref)

    expected = ",".join(["localhost", "127.0.0.1", *HOSTS])
    assert texts(anywhere.run(work())) == [f"True {expected}"]


@pytest.mark.parametrize("bench", ["none"], indirect=True)
def test_ports_of_the_machine_stay_their_hosts(bench: "Bench") -> None:
    """They differ between sites, and nobody else gets one before its program has started."""

    async def work() -> list[int]:
        sites = [await bench.runner.open(spec(bench, site_id)) for site_id in ("a", "b")]
        addresses = [address for site in sites for address in site.addresses.values()]
        assert all(address.startswith("localhost:") for address in addresses)
        return [int(address.rpartition(":")[2]) for address in addresses]

    ports = bench.run(work())
    assert len(set(ports)) == 2 * len(HOSTS)
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports) < max(first, 32768)
    code = """
        import socket, sys
        listener = socket.socket()
        try:
            listener.bind(("", int(sys.argv[1])))
        except OSError as error:
            print(error.strerror)
    """
    argv = ("/usr/bin/env", "python3", "-c", textwrap.dedent(code), str(ports[0]))
    lines, _ = bench.outcome("", site_id="other", argv=argv, env=dict(os.environ))
    assert texts(lines) == ["Address already in use"]


def test_many_replicas_end_together(bench: "Bench") -> None:
    hosts = [f"worker-{number}" for number in range(12)]
    code = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(615.5)
"""

    async def work() -> list[Exit]:
        site = await bench.runner.open(spec(bench, hosts=hosts))
        refs = await asyncio.gather(*(start(bench, site, host, code) for host in hosts))
        for ref in refs:
            await bench.until_line(ref, "up")
        await bench.runner.stop(refs, 0.1)
        ends = [await bench.runner.wait(ref) for ref in refs]
        await bench.runner.close("site")
        await bench.until(lambda: not processes(bench), "the supervisor's own end")
        return ends

    ends = bench.run(work())
    assert {(end.reason, end.signal) for end in ends} == {("stopped", signal.SIGKILL)}
    assert bench.instance not in Path("/proc/net/unix").read_text()
    assert str(bench.data_dir) not in Path("/proc/self/mountinfo").read_text()


def test_a_killed_supervisor_takes_its_cluster_along(bench: "Bench") -> None:
    async def work() -> None:
        site = await bench.runner.open(spec(bench))
        refs = [await start(bench, site, host, STAY) for host in HOSTS]
        for ref in refs:
            await bench.until_line(ref, "visited 3")
        os.kill(await bench.supervisor_pid(), signal.SIGKILL)
        for ref in refs:
            assert (await bench.runner.wait(ref)).reason == "lost"
        await bench.until(lambda: not processes(bench), "the end of all")

    bench.run(work())


def processes(bench: "Bench") -> list[str]:
    """Those of this machine that were started for the bench."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(bench.data_dir) in line or "615.5" in line:
                found.append(line)
    return found


def test_a_runner_may_meter(anywhere: "Bench") -> None:
    """Who works is told from who waits."""
    code = "import time\nt = time.process_time() + 0.3\nwhile time.process_time() < t: pass\n"

    async def work() -> None:
        site = await anywhere.runner.open(spec(anywhere))
        busy = await start(anywhere, site, HOSTS[0], code + "print('up')\ntime.sleep(600)")
        idle = await start(anywhere, site, HOSTS[1], "import time\nprint('up')\ntime.sleep(600)")
        for ref in (busy, idle):
            await anywhere.until_line(ref, "up")
        used = await anywhere.runner.usage([busy, idle])
        assert used[busy.name] >= 0.3
        assert used[idle.name] < used[busy.name]
        await anywhere.runner.close("site")
        assert await anywhere.runner.usage([busy]) == {}

    anywhere.run(work())
    assert isinstance(anywhere.runner, Metered)
