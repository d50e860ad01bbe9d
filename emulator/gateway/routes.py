"""Which host and path is served by which application, tunnelled, or refused."""

import re
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

import msgspec

from emulator.cluster import Network
from emulator.errors import ApiError, NotFound, PermissionDenied
from emulator.gateway.heads import Headers, authority

STORAGE: Final = "storage.googleapis.com"
WWW: Final = "www.googleapis.com"
METADATA: Final = "metadata.google.internal"
METADATA_ADDRESS: Final = "169.254.169.254"

APPLICATION_HOSTS: Final = frozenset(
    {
        "accounts.google.com",
        "cloudresourcemanager.googleapis.com",
        "compute.googleapis.com",
        "iam.googleapis.com",
        "iamcredentials.googleapis.com",
        "logging.googleapis.com",
        "metadata",
        METADATA,
        METADATA_ADDRESS,
        "ml.googleapis.com",
        "oauth2.googleapis.com",
        WWW,
    }
)
HOSTS: Final = tuple(sorted(APPLICATION_HOSTS | {STORAGE}))  # all but regions' and buckets' own

_GOOGLE_DOMAINS: Final = (".googleapis.com", ".google.com", ".google.internal")
_STORAGE_HOSTS: Final = re.compile(
    r"(?:[a-z0-9._-]+\.)?(?:storage|storage-(?:up|down)load|commondatastorage)\.googleapis\.com"
)
_REGION_HOSTS: Final = re.compile(r"[a-z0-9-]+-ml\.googleapis\.com")
_STORAGE_PATHS: Final = re.compile(
    r"/(?:resumable/)?(?:storage|(?:up|down)load/storage|batch/storage)(?:/.*)?", re.DOTALL
)
_APPLICATION_PATHS: Final = re.compile(
    r"/(?:(?:v\d+[a-z0-9]*|discovery|\$discovery|computeMetadata|oauth2|o/oauth2|compute"
    r"|token|console|cmle)(?:/.*)?)?",
    re.DOTALL,
)
_DISCOVERY_ON_STORAGE: Final = re.compile(
    r"/(?:cloud-ml/discovery/ml_v1_discovery\.json|\$discovery/rest)"
)


class Place(StrEnum):
    """An application of this machine."""

    STORAGE = "storage"
    APPLICATION = "application"


class Outside(msgspec.Struct, frozen=True):
    """A host that the user allowed: let through."""

    host: str
    port: int


class Refusal(msgspec.Struct, frozen=True):
    """An answer instead of a service."""

    status: int
    message: str
    body: bytes

    @classmethod
    def of(cls, error: ApiError, status: int | None = None) -> "Refusal":
        """The error in Google's envelope; ``status`` where HTTP knows a better one."""
        envelope = error.envelope()
        envelope["error"]["code"] = status or error.http
        return cls(status or error.http, error.message, msgspec.json.encode(envelope))

    @property
    def headers(self) -> Headers:
        return [
            (b"content-type", b"application/json; charset=UTF-8"),
            (b"content-length", b"%d" % len(self.body)),
        ]


class Asked(msgspec.Struct, frozen=True):
    """Where a request wants to go. ``proxied`` is an absolute target: a proxy's client."""

    host: str
    port: int
    path: str
    origin: str = ""
    proxied: bool = False


def is_google(host: str) -> bool:
    """Whether the emulator answers for this host."""
    return bool(
        host in APPLICATION_HOSTS or _REGION_HOSTS.fullmatch(host) or _STORAGE_HOSTS.fullmatch(host)
    )


def is_of_google(host: str) -> bool:
    """Whether the host is one of Google's, served here or not."""
    return is_google(host) or host.endswith(_GOOGLE_DOMAINS)


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def connect(
    host: str, port: int, own_ports: frozenset[int], network: Network
) -> Outside | Refusal | None:
    """Where a CONNECT leads: None is here, for any of Google's hosts."""
    if network.scope == "google" and (is_google(host) or (is_loopback(host) and port in own_ports)):
        return None
    if is_allowed(host, port, network.allow_hosts):
        return Outside(host, port)
    return _offline(host, network)


def request(asked: Asked, own_ports: frozenset[int], network: Network) -> Place | Outside | Refusal:
    """Who answers a request."""
    if asked.proxied:
        outside = connect(asked.host, asked.port, own_ports, network)
        if outside is not None:
            return outside
    elif network.scope == "hosts":
        return Refusal.of(
            PermissionDenied(
                "Only a proxy's requests to the allowed hosts "
                f"({', '.join(network.allow_hosts) or 'none'}) are served here."
            )
        )
    elif not (is_google(asked.host) or is_loopback(asked.host)):
        if asked.host.endswith(_GOOGLE_DOMAINS):
            return _offline(asked.host, network)
        return Refusal.of(
            PermissionDenied(
                f"The request names the host '{asked.host}', which is neither one of Google's "
                "nor this machine's own: a web page may be trying to reach the emulator. Use "
                "127.0.0.1 or localhost."
            )
        )
    if asked.origin and not _same_origin(asked):
        return Refusal.of(
            PermissionDenied(
                f"The request comes from a browser page of '{asked.origin}'; pages of other "
                "origins may not use the emulator."
            )
        )
    return _place(asked)


def is_allowed(host: str, port: int, allow_hosts: tuple[str, ...]) -> bool:
    """Whether ``name`` (any port) or ``name:port`` is among the user's exceptions."""
    allowed = (authority(entry) for entry in allow_hosts)
    return any(name == host and number in {0, port} for name, number in allowed)


def _place(asked: Asked) -> Place | Refusal:
    if is_loopback(asked.host):
        return _direct(asked)
    if _STORAGE_HOSTS.fullmatch(asked.host):
        documents = asked.host == STORAGE and _DISCOVERY_ON_STORAGE.fullmatch(asked.path)
        return Place.APPLICATION if documents else Place.STORAGE
    if asked.host == WWW and _STORAGE_PATHS.fullmatch(asked.path):
        return Place.STORAGE
    return Place.APPLICATION


def _direct(asked: Asked) -> Place | Refusal:
    if _STORAGE_PATHS.fullmatch(asked.path):
        return Place.STORAGE
    if _APPLICATION_PATHS.fullmatch(asked.path):
        return Place.APPLICATION
    return Refusal.of(
        NotFound(
            f"Nothing is served under {asked.path} of the emulator's own address. Its APIs begin "
            "with /v1/ (ml), /v2/ (logging) and /storage/v1/ (storage); names of buckets work on "
            "storage.googleapis.com only."
        )
    )


def _same_origin(asked: Asked) -> bool:
    scheme, _, rest = asked.origin.partition("://")
    return bool(rest) and authority(rest, {"https": 443}.get(scheme, 80)) == (
        asked.host,
        asked.port,
    )


def _offline(host: str, network: Network) -> Refusal:
    if network.scope == "hosts":
        allowed = ", ".join(network.allow_hosts) or "none"
        return Refusal.of(
            NotFound(f"{host} cannot be reached from here: the allowed hosts are {allowed}.")
        )
    return Refusal.of(
        NotFound(
            f"The emulator is offline: {host} is none of the hosts that it serves, and nothing "
            f"leaves this machine. To let it through, start the emulator with --allow-host {host}."
        )
    )
