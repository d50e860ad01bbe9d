"""What runs where, as plain values: replicas, their place, their lines and their ends."""

from typing import Any, Final, Literal

import msgspec

from emulator.identity import Identity

Isolation = Literal["container", "namespaces", "none"]

WORK_TARGET: Final = "/user_dir"  # where the managed image runs a module
PORT: Final = 2222  # of every replica of a cluster (service reference §4.4)


class Bind(msgspec.Struct, frozen=True):
    """A folder or file seen inside a replica at ``target``.

    ``source`` is a path of this machine, or what the runner's own preparation answered
    (``volume:NAME`` of a container engine). A runner that shares no files with this machine
    copies a read-only path in, and refuses a writable one.
    """

    source: str
    target: str
    writable: bool = False


class Network(msgspec.Struct, frozen=True):
    """The one way out of a replica: a gateway listener of its own, or none at all.

    ``scope`` "google" opens Google's hosts (served offline) and ``allow_hosts``;
    "hosts" opens ``allow_hosts`` ("name:port") alone.
    """

    identity: Identity
    scope: Literal["google", "hosts"] = "google"
    allow_hosts: tuple[str, ...] = ()


class Replica(msgspec.Struct, frozen=True):
    """One process of a site.

    ``work_dir`` is its writable working directory, a folder of this machine; if empty, the
    runner makes one that goes with the site, seen at WORK_TARGET where it can be.
    ``listen`` names sockets (without the leading NUL) that exist outside before the
    process starts and are inherited as file descriptors 3, 4, …; see ``Runner.reach``.
    ``task`` is the log label (``master-replica-0``), ``name`` the key within the site:
    a replica that is started again gets another name and keeps its ``hostname``.
    ``hostname`` is one of the site's hosts, where it is part of a cluster.
    ``image`` is the container image that it runs in; an empty ``argv`` runs the image's own
    program (its ENTRYPOINT), with ``args``, if any, in place of its CMD. ``cpus`` and
    ``memory_bytes`` limit it; ``gpus`` are real devices.
    ``disk_bytes`` is what it may write to its working directory and its temporary folders,
    ``processes`` how many processes and threads it may have at once, where that can be kept.
    With ``has_full_disk`` a write beyond ``disk_bytes`` fails, where such a disk can be made.
    ``preload`` names modules that the process may find imported already: a hint.
    """

    name: str
    task: str
    argv: tuple[str, ...]
    env: dict[str, str]
    work_dir: str = ""
    binds: tuple[Bind, ...] = ()
    isolation: Isolation = "namespaces"
    network: Network | None = None
    listen: tuple[str, ...] = ()
    memory_bytes: int | None = None
    cpus: float | None = None
    disk_bytes: int | None = None
    has_full_disk: bool = False
    processes: int = 8192
    gpus: int = 0
    hostname: str = ""
    image: str = ""
    args: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()


class SiteSpec(msgspec.Struct, frozen=True):
    """A job attempt's place (or a server's, or an installation's): one owner ends it.

    ``grace_s`` is how long it outlives a killed emulator; None takes the runner's own.
    ``hosts`` are the host names of its replicas, if they are to reach each other.
    """

    site_id: str
    grace_s: float | None = None
    hosts: tuple[str, ...] = ()
    isolation: Isolation = "namespaces"


class Ref(msgspec.Struct, frozen=True):
    """Where a started replica is found again, also by a restarted emulator."""

    runner: str
    site_id: str
    name: str
    task: str


class Line(msgspec.Struct, frozen=True):
    """One line of output. ``time`` in seconds since the epoch; ``seq`` counts from 1 per replica.

    Stream "log" is a record of Python's logging or an uncaught traceback, then with
    ``level`` (a logging level name), ``path`` and ``lineno``.
    """

    seq: int
    time: float
    stream: Literal["stdout", "stderr", "log"]
    text: str
    level: str = ""
    path: str = ""
    lineno: int = 0


class Exit(msgspec.Struct, frozen=True):
    """How a replica ended; ``signal`` is set instead of ``code`` when a signal ended it."""

    reason: Literal["exited", "stopped", "abandoned", "lost", "failed_to_start"]
    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    traceback: str = ""
    message: str = ""
    started: float = 0.0
    ended: float = 0.0

    @property
    def succeeded(self) -> bool:
        return self.code == 0 and not self.out_of_memory


def decode(document: bytes, kind: type[Any]) -> Any:
    """Read one of these values back from JSON."""
    return msgspec.json.decode(document, type=kind)
