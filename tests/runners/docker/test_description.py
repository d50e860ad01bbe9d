"""A replica as the engine's description of a container."""

from typing import Any

import msgspec
import pytest

from emulator.cluster import Bind, Network, Replica
from emulator.identity import Identity, Kind
from emulator.runners.docker.description import (
    FIRST_PORT,
    LABEL_NETWORK,
    Surroundings,
    container,
    port_of,
)

REPLICA = Replica("m-1", "master-replica-0", ("python3", "-m", "t"), {"A": "b"}, image="i")
AROUND = Surroundings("inst", "site", "c", "net", "10.0.0.2", 2, names=("ml.googleapis.com",))


def described(around: Surroundings = AROUND, **fields: Any) -> dict[str, Any]:
    return container(msgspec.structs.replace(REPLICA, **fields), around)


def variables(found: dict[str, Any]) -> dict[str, str]:
    return dict(row.split("=", 1) for row in found["Env"])


def test_it_has_no_powers_and_no_root() -> None:
    found = described()
    host = found["HostConfig"]
    assert found["User"] == "65534:65534"
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidsLimit"] == REPLICA.processes
    assert host["Init"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {}}
    assert "Binds" not in host


def test_limits_fit_the_machine() -> None:
    host = described(cpus=8.0, memory_bytes=1 << 30)["HostConfig"]
    assert host["NanoCpus"] == 2_000_000_000  # more than there are is an error of the engine's
    assert host["Memory"] == host["MemorySwap"] == 1 << 30
    assert host["ShmSize"] == 1 << 29
    assert described(memory_bytes=1)["HostConfig"]["Memory"] == 6 << 20
    assert "NanoCpus" not in described()["HostConfig"]


def test_googles_names_lead_to_the_relay() -> None:
    host = described()["HostConfig"]
    assert host["ExtraHosts"] == ["ml.googleapis.com:10.0.0.2"]
    assert host["Dns"] == ["10.0.0.2"]


def test_without_a_network_there_is_none() -> None:
    around = msgspec.structs.replace(AROUND, network="", gateway="")
    found = described(around)
    assert found["HostConfig"]["NetworkMode"] == "none"
    assert found["HostConfig"]["ExtraHosts"] == []
    assert "NetworkingConfig" not in found


def test_a_replica_that_starts_again_keeps_its_host_name() -> None:
    found = described(hostname="cmle-training-worker-0123456789-0", name="worker-0-try-2")
    assert found["Hostname"] == "cmle-training-worker-0123456789-0"
    (endpoint,) = found["NetworkingConfig"]["EndpointsConfig"].values()
    assert endpoint["Aliases"][0] == found["Hostname"]


def test_hosts_of_a_cluster_have_their_addresses() -> None:
    around = msgspec.structs.replace(AROUND, hosts={"a": "10.0.0.3", "b": "10.0.0.4"}, names=())
    found = described(around, hostname="b")
    assert found["HostConfig"]["ExtraHosts"] == ["a:10.0.0.3", "b:10.0.0.4"]
    (endpoint,) = found["NetworkingConfig"]["EndpointsConfig"].values()
    assert endpoint["IPAMConfig"] == {"IPv4Address": "10.0.0.4"}


def test_the_gateways_address_is_put_into_variables() -> None:
    env = {"https_proxy": "http://127.0.0.1:{gateway_port}", "PORT": "{gateway_port}"}
    found = variables(described(env=env))
    assert found["https_proxy"] == "http://10.0.0.2:80"
    assert found["PORT"] == "80"
    assert found["HOME"] == "/root"


def test_labels_are_all_that_a_restarted_emulator_needs() -> None:
    network = Network(Identity(Kind.JOB, "p", "j"))
    labels = described(network=network, listen=("a", "b"))["Labels"]
    assert msgspec.json.decode(labels[LABEL_NETWORK], type=Network) == network
    assert (labels["cmle.instance"], labels["cmle.site"]) == ("inst", "site")
    assert port_of(labels, "b") == FIRST_PORT + 1
    with pytest.raises(ValueError, match="c"):
        port_of(labels, "c")


def test_an_image_runs_its_own_program() -> None:
    found = described(argv=())
    assert "Entrypoint" not in found
    assert "WorkingDir" not in found
    assert described(argv=(), args=("--x",))["Cmd"] == ["--x"]


def test_a_program_that_listens_is_begun_by_the_shim() -> None:
    found = described(listen=("a",))
    assert found["Entrypoint"] == ["python3"]
    assert found["Cmd"][-4:] == ["1", "python3", "-m", "t"]


def test_volumes_are_mounted_and_nothing_else() -> None:
    binds = (Bind("/a", "/a"), Bind("volume:v", "/v"), Bind("volume:w", "/w", writable=True))
    mounts = described(binds=binds)["HostConfig"]["Mounts"]
    assert [(m["Type"], m["Source"], m["Target"], m["ReadOnly"]) for m in mounts] == [
        ("volume", "v", "/v", True),
        ("volume", "w", "/w", False),
    ]


def test_gpus_come_by_the_nvidia_runtime() -> None:
    found = described(gpus=2)
    assert found["HostConfig"]["Runtime"] == "nvidia"
    assert variables(found)["NVIDIA_VISIBLE_DEVICES"] == "0,1"
    assert variables(found)["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert variables(described())["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_gpus_may_come_by_a_device_request() -> None:
    host = described(msgspec.structs.replace(AROUND, device_requests=True), gpus=2)["HostConfig"]
    assert host["DeviceRequests"] == [{"Count": 2, "Capabilities": [["gpu"]]}]
    assert "Runtime" not in host
