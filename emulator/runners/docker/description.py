"""A replica as the engine's description of a container; pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from emulator.cluster import WORK_TARGET, Replica
from emulator.runners.docker.files import USER, volume_of

MANAGER: Final = "cmle"
LABEL_MANAGER: Final = "cmle.managed-by"
LABEL_INSTANCE: Final = "cmle.instance"
LABEL_SITE: Final = "cmle.site"
LABEL_REPLICA: Final = "cmle.replica"
LABEL_NETWORK: Final = "cmle.network"  # who it is to the gateway, for a restarted emulator
LABEL_ROLE: Final = "cmle.role"
LABEL_LISTENS: Final = "cmle.listens"  # names of its sockets, from FIRST_PORT on
LABEL_DISK: Final = "cmle.disk"  # bytes that it may write
DISK_BYTES: Final = 16 << 30  # if its replica does not say
FIRST_PORT: Final = 8500
SHIMS_TARGET: Final = "/run/cmle"
LISTENER: Final = f"{SHIMS_TARGET}/listening.py"
SHARED_MEMORY: Final = 1 << 30
_LEAST_CPUS: Final = 0.01
_LEAST_MEMORY: Final = 6 << 20
_GATEWAY: Final = "127.0.0.1:{gateway_port}"
_PORT: Final = "{gateway_port}"
_OPEN: Final = f"mode=1777,uid={USER},gid={USER},exec"
_PROXY_PORT: Final = 80


class Surroundings(msgspec.Struct, frozen=True):
    """What a container's description depends on beside its replica.

    ``gateway`` is the relay's address on ``network``, empty where none is to be reached.
    ``cpus`` is what the engine has. ``names`` lead to the gateway; ``hosts`` are the addresses
    of the site's hosts. ``work_dir`` is where a
    command begins.
    """

    instance: str
    site_id: str
    container: str
    network: str
    gateway: str
    cpus: float
    work_dir: str = WORK_TARGET
    names: tuple[str, ...] = ()
    hosts: dict[str, str] = {}
    device_requests: bool = False


def labels(instance: str, **others: str) -> dict[str, str]:
    """What everything of this emulator carries; ``site="x"`` is the label of its site."""
    named = {f"cmle.{name}": value for name, value in others.items()}
    return {LABEL_MANAGER: MANAGER, LABEL_INSTANCE: instance, **named}


def container(replica: Replica, around: Surroundings) -> dict[str, Any]:
    """The body of ``POST /containers/create``."""
    argv = list(replica.argv)
    if replica.listen:
        argv = [argv[0], "-I", LISTENER, str(FIRST_PORT), str(len(replica.listen)), *argv]
    hostname = replica.hostname or replica.name
    aliases = list(dict.fromkeys((hostname, replica.name)))
    described: dict[str, Any] = {
        "Image": replica.image,
        "Hostname": hostname,
        "User": f"{USER}:{USER}",
        "Env": [f"{name}={value}" for name, value in _environment(replica, around).items()],
        "Labels": labels(
            around.instance,
            site=around.site_id,
            replica=replica.name,
            task=replica.task,
            network=msgspec.json.encode(replica.network).decode(),
            listens=" ".join(replica.listen),
            disk=str(replica.disk_bytes or DISK_BYTES),
        ),
        "HostConfig": _host_config(replica, around),
    }
    if argv:
        described |= {"Entrypoint": argv[:1], "Cmd": argv[1:], "WorkingDir": around.work_dir}
    elif replica.args:
        described["Cmd"] = list(replica.args)
    if around.network:
        endpoint: dict[str, Any] = {"Aliases": aliases}
        if address := around.hosts.get(replica.hostname):
            endpoint["IPAMConfig"] = {"IPv4Address": address}
        described["NetworkingConfig"] = {"EndpointsConfig": {around.network: endpoint}}
    return described


def _host_config(replica: Replica, around: Surroundings) -> dict[str, Any]:
    config: dict[str, Any] = {
        "NetworkMode": around.network or "none",
        "Init": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "PidsLimit": replica.processes,
        "ShmSize": min(SHARED_MEMORY, (replica.memory_bytes or 2 * SHARED_MEMORY) // 2),
        "LogConfig": {"Type": "json-file", "Config": {}},
        "Mounts": [
            {
                "Type": "volume",
                "Source": name,
                "Target": bind.target,
                "ReadOnly": not bind.writable,
                "VolumeOptions": {"NoCopy": True},
            }
            for bind in replica.binds
            if (name := volume_of(bind))
        ],
    }
    if replica.has_full_disk:
        config["Tmpfs"] = dict.fromkeys(
            _full_folders(replica), f"size={replica.disk_bytes},{_OPEN}"
        )
    config["ExtraHosts"] = [f"{host}:{address}" for host, address in around.hosts.items()]
    if around.gateway:
        config["ExtraHosts"] += [f"{name}:{around.gateway}" for name in around.names]
        config["Dns"] = [around.gateway]
        config["DnsOptions"] = ["timeout:2", "attempts:1"]
    if replica.memory_bytes is not None:
        config["Memory"] = config["MemorySwap"] = max(replica.memory_bytes, _LEAST_MEMORY)
    if replica.cpus is not None:
        config["NanoCpus"] = int(1e9 * max(min(replica.cpus, around.cpus), _LEAST_CPUS))
    if replica.gpus and around.device_requests:
        config["DeviceRequests"] = [{"Count": replica.gpus, "Capabilities": [["gpu"]]}]
    elif replica.gpus:
        config["Runtime"] = "nvidia"
    return config


def _full_folders(replica: Replica) -> tuple[str, ...]:
    """Each a file system of its own; an image's own working directory may hold its program."""
    return ("/tmp", WORK_TARGET) if replica.argv else ("/tmp",)  # noqa: S108 the container's


def _environment(replica: Replica, around: Surroundings) -> dict[str, str]:
    """The replica's own variables, with the gateway's address where its port is asked for."""
    proxy = f"{around.gateway}:{_PROXY_PORT}"
    env = {
        name: value.replace(_GATEWAY, proxy).replace(_PORT, str(_PROXY_PORT))
        for name, value in replica.env.items()
    }
    env.setdefault("HOME", "/root")
    env["CMLE_LOG_STREAM"] = "stderr"
    if replica.listen:
        env["CMLE_LISTEN_FDS"] = str(len(replica.listen))
    if replica.gpus:
        devices = ",".join(map(str, range(replica.gpus)))
        env |= {
            "NVIDIA_VISIBLE_DEVICES": devices,
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        }
    elif replica.image:
        env["NVIDIA_VISIBLE_DEVICES"] = "void"  # an image may ask for all of them
    return env


def port_of(found: Mapping[str, str], listen: str) -> int:
    """The port of a named socket, from a container's labels; ValueError if it has none."""
    return FIRST_PORT + found[LABEL_LISTENS].split(" ").index(listen)
