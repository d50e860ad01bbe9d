"""The variables that lead clients to the emulator, and shell scripts that set and unset them."""

import re
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Final

SYSTEM_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
NOT_COVERED: Final = (
    "TensorFlow 1.15 trusts the system's authorities only",
    "httplib2 (google-api-python-client) finds no proxy without the PySocks module",
    "aiohttp ignores proxies unless it is told trust_env",
)

_SET: Final = "CMLE_ENV"  # the names that a script has set
_SAVED: Final = "CMLE_OLD_"  # prefix of what they were before
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOOPBACK: Final = ("localhost", "127.0.0.1")
_PROXIES: Final = (  # each with the variable that names its exceptions
    *((name, "no_proxy") for name in ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy")),
    *((name, "NO_PROXY") for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")),
    ("no_grpc_proxy", "no_grpc_proxy"),  # to gRPC it stands for no_proxy
)


def variables(url: str, ca_bundle: str, project: str, gcloud_dir: str) -> dict[str, str]:
    """What a person's shell needs to work with the emulator at ``url``.

    Credentials come from the metadata server, which satisfies every client without a file.
    ``gcloud_dir`` keeps what gcloud remembers apart from the person's own configuration: an
    access token of the emulator must not be tried on Google later.
    """
    return {
        **_proxies(url, _LOOPBACK),
        **_authorities(ca_bundle),
        **_metadata(url),
        **_direct(url),
        "GOOGLE_CLOUD_PROJECT": project,
        "CLOUDSDK_CONFIG": gcloud_dir,
        "CLOUDSDK_CORE_PROJECT": project,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "true",
        "CLOUDSDK_ML_ENGINE_POLLING_INTERVAL": "1",
    }


def replica_variables(proxy_url: str, ca_bundle: str) -> dict[str, str]:
    """What a replica needs that shares the machine's network (isolation level "none")."""
    return {
        **_proxies(proxy_url, _LOOPBACK),
        **_authorities(ca_bundle),
        **_metadata(proxy_url),
        **_direct(proxy_url),
    }


def namespace_variables(ca_bundle: str = SYSTEM_BUNDLE) -> dict[str, str]:
    """What a replica needs where Google's host names lead to the gateway by themselves."""
    return {
        **_authorities(ca_bundle),
        "GCE_METADATA_IP": "metadata.google.internal",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }


def without_proxy_between(environment: Mapping[str, str], peers: Sequence[str]) -> dict[str, str]:
    """Put this machine and every peer into ``no_proxy``, where a proxy is set.

    gRPC reads the lower-case variables alone: with a proxy and without every peer in
    ``no_proxy`` a cluster of TensorFlow hangs and says nothing.
    """
    kept = dict(environment)
    for name, exceptions in _PROXIES:
        if kept.get(name):
            named = [part.strip() for part in kept.get(exceptions, "").split(",") if part.strip()]
            missing = [host for host in (*_LOOPBACK, *peers) if host not in named]
            kept[exceptions] = ",".join([*named, *missing])
    return kept


def before(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as it was before a script of ``export_script`` ran in it."""
    ours = environment.get(_SET, "").split()
    hidden = {_SET, *ours, *(f"{_SAVED}{name}" for name in ours)}
    kept = {name: value for name, value in environment.items() if name not in hidden}
    saved = {
        name: environment[f"{_SAVED}{name}"] for name in ours if f"{_SAVED}{name}" in environment
    }
    return kept | saved


def export_script(variables: Mapping[str, str], previous: Mapping[str, str]) -> str:
    """For ``eval`` in bash, zsh or sh: set the variables, and remember what they were.

    ``previous`` is the shell's environment; a script on top of a script keeps the first memory.
    """
    original = before(previous)
    lines = [line for line in _restore(previous) if line.startswith("unset ")]
    lines += [
        f"export {_SAVED}{name}={quote(original[name])}" for name in variables if name in original
    ]
    lines += [f"export {_checked(name)}={quote(value)}" for name, value in variables.items()]
    lines.append(f"export {_SET}={quote(' '.join(variables))}")
    return "".join(f"{line}\n" for line in lines)


def unset_script(previous: Mapping[str, str]) -> str:
    """For ``eval``: everything as it was before ``export_script``'s; empty if it never ran."""
    return "".join(f"{line}\n" for line in _restore(previous))


def _restore(environment: Mapping[str, str]) -> list[str]:
    ours = [name for name in environment.get(_SET, "").split() if _NAME.fullmatch(name)]
    if _SET not in environment:
        return []
    original = before(environment)
    lines = []
    for name in ours:
        if name in original:
            lines.append(f"export {name}={quote(original[name])}")
        else:
            lines.append(f"unset {name}")
    saved = [f"{_SAVED}{name}" for name in ours if f"{_SAVED}{name}" in environment]
    lines.append(f"unset {' '.join([*saved, _SET])}")
    return lines


def _proxies(url: str, exceptions: Sequence[str]) -> dict[str, str]:
    without = ",".join(exceptions)
    return {
        "https_proxy": url,
        "HTTPS_PROXY": url,
        "http_proxy": url,
        "HTTP_PROXY": url,
        "no_proxy": without,
        "NO_PROXY": without,
    }


def _authorities(ca_bundle: str) -> dict[str, str]:
    names = (
        "CURL_CA_BUNDLE",  # curl, TensorFlow from 2.11 on
        "SSL_CERT_FILE",  # OpenSSL, Go
        "REQUESTS_CA_BUNDLE",
        "HTTPLIB2_CA_CERTS",
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "NODE_EXTRA_CA_CERTS",
    )
    return dict.fromkeys(names, ca_bundle)


def _metadata(url: str) -> dict[str, str]:
    """Three names for one server: google-auth's, gcloud's, and the address that is pinged."""
    address = url.removeprefix("http://").rstrip("/")
    return dict.fromkeys(("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"), address)


def _direct(url: str) -> dict[str, str]:
    """Gcsfs ignores proxies, and asks for a bucket's type by gRPC for a minute."""
    return {
        "STORAGE_EMULATOR_HOST": url.rstrip("/"),
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"Not a name of a variable: {name}")
    return name
