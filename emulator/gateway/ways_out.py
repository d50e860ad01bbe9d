"""How this machine itself reaches other hosts: directly, or by the user's own proxy."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import msgspec

from emulator.environment import before

_DEFAULT_PORT: Final = 80


class Proxy(msgspec.Struct, frozen=True):
    """An HTTP proxy; ``authorization`` is its header's value, if it wants one."""

    host: str
    port: int
    authorization: str = ""

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """``[http://][user:password@]host[:port]``; None if it is no HTTP proxy."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            return None
        try:
            port = parts.port or _DEFAULT_PORT
        except ValueError:
            return None
        authorization = ""
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = f"Basic {b64encode(login.encode()).decode()}"
        return cls(parts.hostname, port, authorization)

    def connect(self, host: str, port: int) -> bytes:
        """The request that opens a tunnel."""
        named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {named} HTTP/1.1", f"Host: {named}"]
        if self.authorization:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


class WaysOut(msgspec.Struct, frozen=True):
    """The user's proxy variables as they are without the emulator's own."""

    proxies: dict[str, Proxy] = {}
    exceptions: tuple[str, ...] = ()

    @classmethod
    def of(cls, environment: Mapping[str, str], own_port: int) -> Self:
        """Read the variables; a proxy that is the gateway itself is none."""
        variables = before(environment)

        def value(name: str) -> str:
            return variables.get(name.lower()) or variables.get(name.upper()) or ""

        proxies = {}
        for scheme in ("http", "https"):
            proxy = Proxy.parse(value(f"{scheme}_proxy") or value("all_proxy"))
            if proxy and (proxy.host, proxy.port) not in {
                ("127.0.0.1", own_port),
                ("localhost", own_port),
            }:
                proxies[scheme] = proxy
        exceptions = [entry.strip().lower() for entry in value("no_proxy").split(",")]
        return cls(proxies, tuple(entry for entry in exceptions if entry))

    def proxy(self, scheme: str, host: str) -> Proxy | None:
        """The proxy to a host; None is the direct way."""
        if any(_matches(host, entry) for entry in self.exceptions):
            return None
        return self.proxies.get(scheme)


def _matches(host: str, entry: str) -> bool:
    entry = entry.removeprefix("*").removeprefix(".")
    return not entry or host == entry or host.endswith(f".{entry}")
