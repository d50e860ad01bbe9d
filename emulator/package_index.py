"""Where packages come from: the user's own settings of pip and uv, and nothing else of theirs."""

import configparser
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

_PROXY: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CERTIFICATE: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_NEEDED: Final = (
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
)
_TRUE: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
_PORTS: Final = {"http": 80, "https": 443}


class PackageIndex(msgspec.Struct, frozen=True):
    """An empty ``url`` means the installers' own default. ``find_links`` are URLs or folders.

    ``network`` holds the proxy variables and uv's own, as the user has set them.
    """

    url: str = ""
    extra_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    is_closed: bool = False  # find_links alone
    certificate: str = ""
    trusted_hosts: tuple[str, ...] = ()
    timeout_s: str = ""
    network: dict[str, str] = {}
    is_wheelhouse: bool = False

    @classmethod
    def of_user(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables and pip's configuration files (uv reads its own, but not pip's)."""
        pip = _pip_settings(environment)
        uv = {name: value for name, value in environment.items() if name.startswith("UV_")}
        return cls(
            url=uv.get("UV_DEFAULT_INDEX") or uv.get("UV_INDEX_URL") or pip.get("index-url", ""),
            extra_urls=tuple(
                (uv.get("UV_EXTRA_INDEX_URL") or pip.get("extra-index-url", "")).split()
            ),
            find_links=_places(
                uv.get("UV_FIND_LINKS", "").split(",") + pip.get("find-links", "").split()
            ),
            is_closed=pip.get("no-index", "").lower() in _TRUE,
            certificate=_certificate(pip, environment),
            trusted_hosts=tuple(pip.get("trusted-host", "").split()),
            timeout_s=pip.get("timeout") or pip.get("default-timeout", ""),
            network={**_network(pip, environment), **uv},
        )

    @classmethod
    def of_wheelhouse(cls, folder: Path) -> Self:
        """A folder of archives takes the place of every index: no network at all."""
        return cls(find_links=(str(folder.resolve()),), is_closed=True, is_wheelhouse=True)

    def for_uv(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a uv process."""
        ours = {
            "UV_DEFAULT_INDEX": self.url,
            "UV_EXTRA_INDEX_URL": " ".join(self.extra_urls),
            "UV_FIND_LINKS": ",".join(self.find_links),
            "UV_NO_INDEX": "1" if self.is_closed else "",
            "UV_OFFLINE": "1" if self.is_wheelhouse else "",
            "UV_INSECURE_HOST": " ".join(self.trusted_hosts),
            "UV_HTTP_TIMEOUT": self.timeout_s,
            "SSL_CERT_FILE": self.certificate,
        }
        return {
            **{name: environment[name] for name in _NEEDED if name in environment},
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            **{name: value for name, value in ours.items() if value},
            **self.network,
        }

    def for_pip(self) -> dict[str, str]:
        """The variables that lead a sandboxed pip to the same places."""
        ours = {
            "PIP_INDEX_URL": self.url,
            "PIP_EXTRA_INDEX_URL": " ".join(self.extra_urls),
            "PIP_FIND_LINKS": " ".join(self.find_links),
            "PIP_NO_INDEX": "1" if self.is_closed else "",
            "PIP_TRUSTED_HOST": " ".join(self.trusted_hosts),
            "PIP_DEFAULT_TIMEOUT": self.timeout_s,
        }
        return {name: value for name, value in ours.items() if value}

    def hosts(self, default: Sequence[str]) -> tuple[str, ...]:
        """Every "name:port" that an installation may need; ``default`` serves the default index."""
        if self.is_closed:
            urls: Iterable[str] = self.find_links
            found = set()
        else:
            urls = (self.url, *self.extra_urls, *self.find_links)
            found = set() if self.url else set(default)
        return tuple(sorted(found | {host for url in urls if (host := _host(url))}))

    def folders(self) -> tuple[str, ...]:
        """Local folders and files that installers read, for a sandbox to show them."""
        paths = [_local(place) for place in (self.url, *self.extra_urls, *self.find_links)]
        return tuple(sorted({path for path in paths if path and Path(path).exists()}))


def _host(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"


def _local(place: str) -> str:
    if place.startswith("file://"):
        return urlsplit(place).path
    return place if place.startswith("/") else ""


def _places(places: Iterable[str]) -> tuple[str, ...]:
    """Folders that are not there only make the installers complain."""
    known = dict.fromkeys(place for place in places if place)
    return tuple(p for p in known if "://" in p or (Path(p).is_absolute() and Path(p).exists()))


def _certificate(pip: Mapping[str, str], environment: Mapping[str, str]) -> str:
    named = [pip.get("cert", ""), *(environment.get(name, "") for name in _CERTIFICATE)]
    return next((path for path in named if path and Path(path).is_file()), "")


def _network(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    found = {
        name: environment[name]
        for lower in _PROXY
        for name in (lower, lower.upper())
        if environment.get(name)
    }
    if "proxy" in pip:
        found |= {"http_proxy": pip["proxy"], "https_proxy": pip["proxy"]}
    if environment.get("SSL_CERT_DIR"):
        found["SSL_CERT_DIR"] = environment["SSL_CERT_DIR"]
    return found


def _pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """pip's options by their long names: files first, variables over them."""
    named = environment.get("PIP_CONFIG_FILE", "")
    home = Path(environment.get("HOME") or "/nonexistent")
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    if named:
        files = [Path(named)] if named == "/dev/null" else [*files, Path(named)]
    settings: dict[str, str] = {}
    for file in files:
        settings |= _section(file)
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def _section(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}  # pip itself will complain about it
    found: dict[str, Any] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    return found
