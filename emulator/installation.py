"""One pip command of an installation, described as a replica."""

from collections.abc import Iterable
from typing import Final

import msgspec

from emulator.cluster import WORK_TARGET, Bind, Isolation, Network, Replica
from emulator.identity import Identity, Kind
from emulator.package_index import PackageIndex
from emulator.runtimes import Runtime
from emulator.shipped import SHIMS

USER_BASE: Final = "/root/.local"  # where the service's tracebacks show packages
_OTHER_BASE: Final = "/run/cmle/local"
_SHIM: Final = "/run/cmle/install.py"
_CERTIFICATE: Final = "/run/cmle/index.pem"
_WORK: Final = "/tmp/cmle-install"  # noqa: S108 - of the sandbox's own /tmp
_PROXY: Final = "http://127.0.0.1:{gateway_port}"
_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class Grounds(msgspec.Struct, frozen=True):
    """Where an installation happens: ``work_dir`` has the archive, ``root`` takes the packages.

    ``root`` is a folder of this machine, or ``volume:NAME`` of a container engine; then the
    archive is copied in.
    """

    work_dir: str
    root: str
    isolation: Isolation
    index: PackageIndex
    allow_hosts: tuple[str, ...] = ()
    identity: Identity = Identity(Kind.INSTALL)


def pip_commands(archive: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The service's two commands: the package whatever is there, then what it lacks."""
    name = f"./{archive}" if archive.startswith("-") else archive
    return (
        ("pip3", "install", "--user", "--upgrade", "--force-reinstall", "--no-deps", name),
        ("pip3", "install", "--user", name),
    )


def installation(
    name: str, command: tuple[str, ...], runtime: Runtime, grounds: Grounds
) -> Replica:
    """Describe one of ``pip_commands`` as a process that reaches the package index alone."""
    enclosed = grounds.isolation != "none"
    binds = _binds(runtime, grounds) if enclosed else ()
    base = user_base(binds) if enclosed else grounds.root
    if enclosed:
        binds = (*binds, Bind(grounds.root, base, writable=True))
    shim = _SHIM if enclosed else str(SHIMS / "install.py")
    hosts = grounds.index.hosts(runtime.index_hosts)
    return Replica(
        name=name,
        task="service",
        argv=(runtime.python, shim, *command[1:]),
        env=_variables(runtime, grounds, base),
        work_dir="" if runtime.image else grounds.work_dir,
        image=runtime.image,
        binds=binds,
        isolation=grounds.isolation,
        network=Network(
            grounds.identity, "hosts", tuple(dict.fromkeys((*hosts, *grounds.allow_hosts)))
        ),
    )


def user_base(binds: Iterable[Bind]) -> str:
    """Where packages are seen: as on the service, unless something else must be seen there."""
    taken = any(f"{bind.target}/".startswith(f"{USER_BASE}/") for bind in binds)
    return _OTHER_BASE if taken else USER_BASE


def _binds(runtime: Runtime, grounds: Grounds) -> tuple[Bind, ...]:
    certificate = grounds.index.certificate
    return (
        *runtime.binds,
        *(Bind(path, path) for path in grounds.index.folders()),
        *([Bind(certificate, _CERTIFICATE)] if certificate else []),
        Bind(str(SHIMS / "install.py"), _SHIM),
        Bind(grounds.work_dir, WORK_TARGET)
        if runtime.image
        else Bind(grounds.work_dir, _WORK, writable=True),
    )


def _variables(runtime: Runtime, grounds: Grounds, base: str) -> dict[str, str]:
    enclosed = grounds.isolation != "none"
    certificate = grounds.index.certificate
    return {
        "HOME": "/root" if enclosed else grounds.work_dir,
        "LC_ALL": "C.UTF-8",
        "PATH": f"{base}/bin:{runtime.env_dir}/bin:{_SYSTEM_PATH}",
        "PYTHONUSERBASE": base,
        "PYTHONUNBUFFERED": "1",
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _PROXY),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),  # an index of this machine, too
        **grounds.index.for_pip(),
        **({"PIP_CERT": _CERTIFICATE if enclosed else certificate} if certificate else {}),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_BREAK_SYSTEM_PACKAGES": "1",  # the environment is none of the system's
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INPUT": "1",
        "PIP_PROGRESS_BAR": "off",
        "PIP_RETRIES": "2",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
