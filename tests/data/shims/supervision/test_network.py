"""A bridge and a namespace for each host, made by messages of our own to the kernel."""

import os
import socket
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from emulator.isolation import probe_cluster

Shim = Callable[[str], ModuleType]
pytestmark = pytest.mark.skipif(
    probe_cluster().isolation == "none", reason=f"no networks here: {probe_cluster().reason}"
)


@pytest.fixture
def network(shim: Shim) -> Iterator[ModuleType]:
    module = shim("network")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield module
    assert len(os.listdir("/proc/self/fd")) == before, "descriptors"  # noqa: PTH208


def inside(shim: Shim, joins: tuple[int, int], work: Callable[[], str]) -> str:
    """What ``work`` answers in a child that has joined the hub and a host's namespace."""
    kernel = shim("kernel")
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            kernel.join(joins[0], kernel.CLONE_NEWUSER)
            kernel.join(joins[1], kernel.CLONE_NEWNET)
            os.write(writing, work().encode())
        except BaseException as error:  # noqa: BLE001 told to the test
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


def test_each_host_has_its_address_and_the_way_to_the_others(
    shim: Shim, network: ModuleType
) -> None:
    made = network.Network(["a", "b"])
    assert made.addresses == {"a": "10.99.0.2", "b": "10.99.0.3"}
    place = (made.addresses["a"], 2222)
    ready, go = os.pipe()

    def serve() -> str:
        with socket.create_server(place) as listener:
            os.write(go, b".")
            connection, peer = listener.accept()
            connection.close()
            return str(peer[0])

    def call() -> str:
        os.read(ready, 1)
        with socket.create_connection(place, 10):
            return "connected"

    joins = {host: (made.user, made.enter(host)) for host in "ab"}
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writing, inside(shim, joins["b"], call).encode())
        os._exit(0)
    os.close(writing)
    try:
        assert inside(shim, joins["a"], serve) == "10.99.0.3"
        with os.fdopen(reading) as file:
            assert file.read() == "connected"
    finally:
        os.waitpid(pid, 0)
        for number in (ready, go):
            os.close(number)
        made.close()


def test_a_host_that_is_used_again_gets_a_new_namespace(shim: Shim, network: ModuleType) -> None:
    made = network.Network(["a"])

    def names() -> str:
        return " ".join(name for _, name in socket.if_nameindex()) + os.readlink(  # noqa: PTH115
            "/proc/self/ns/net"
        )

    entered = made.enter("a")
    first = inside(shim, (made.user, entered), names)
    held = os.dup(entered)  # else a new namespace may get the old one's number
    second = inside(shim, (made.user, made.enter("a")), names)
    os.close(held)
    made.close()
    assert first != second
    assert [said.partition("net:")[0] for said in (first, second)] == ["lo eth0"] * 2


def test_the_kernels_refusal_is_said(
    shim: Shim, network: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bridges of one name are what it refuses everywhere."""
    monkeypatch.setattr(network, "_BRIDGE", "lo")
    with pytest.raises(
        OSError, match=r"a network for 1 hosts cannot be made: .*bridge lo: File ex"
    ):
        network.Network(["a"])
    assert shim("network").address(300) == "10.99.1.46"


def test_a_site_has_a_largest_size(network: ModuleType) -> None:
    with pytest.raises(OSError, match="at most 1000 hosts, not 1001"):
        network.Network([str(number) for number in range(1001)])
