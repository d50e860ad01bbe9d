"""Which isolation level this machine offers, found out by trying, and why not a better one."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec

from emulator import shipped
from emulator.cluster import Isolation
from emulator.errors import OperatorError

Setting = Literal["auto", "require", "namespaces", "none"]

_SANDBOX: Final = shipped.SHIMS / "supervision" / "sandbox.py"
_NETWORK: Final = _SANDBOX.with_name("network.py")
_DEADLINE_S: Final = 20.0
_SWITCHES: Final = (  # (file below /proc/sys, the value that forbids, words)
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "user namespaces are off for ordinary users (sysctl kernel.unprivileged_userns_clone=0)",
    ),
    (
        "user/max_user_namespaces",
        "0",
        "user namespaces are off (sysctl user.max_user_namespaces=0)",
    ),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        (
            "AppArmor keeps ordinary users from user namespaces "
            "(sysctl kernel.apparmor_restrict_unprivileged_userns=1)"
        ),
    ),
)


class Level(msgspec.Struct, frozen=True):
    """The best level here; ``reason`` says why it is "none"."""

    isolation: Isolation
    reason: str = ""


@cache
def probe() -> Level:
    """Run one process in namespaces for real, once per process of ours."""
    return _try(_SANDBOX, "a process in namespaces")


@cache
def probe_cluster() -> Level:
    """The level of replicas that are to reach each other: make a network of two for real, once."""
    level = probe()
    return level if level.isolation == "none" else _try(_NETWORK, "a network of two namespaces")


def choose(setting: Setting, *, cluster: bool = False) -> Isolation:
    """The level to run at; OperatorError where the one that was asked for cannot be had.

    A ``cluster`` needs bridges and veth pairs beside namespaces: its level may be lower.
    """
    if setting == "none":
        return "none"
    level = probe_cluster() if cluster else probe()
    if level.isolation == "none" and setting != "auto":
        what = "Replicas of a cluster" if cluster else "Replicas"
        raise OperatorError(
            f"{what} cannot be isolated in namespaces here: {level.reason}. Allow it, or start "
            "with --isolation none: then replicas see this machine's files and network."
        )
    return level.isolation


def _try(program: Path, what: str) -> Level:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(program)],
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Level("none", f"{what} did not end within {_DEADLINE_S:.0f} s")
    problem = done.stdout.strip() if done.returncode == 0 else done.stderr.strip()[-400:]
    return Level("none", explain(problem, Path("/proc/sys"))) if problem else Level("namespaces")


def explain(problem: str, sysctls: Path) -> str:
    """Put the kernel's refusal in words: the switch that is off, or a container around us."""
    for name, forbidding, words in _SWITCHES:
        setting = sysctls / name
        if setting.is_file() and setting.read_text().strip() == forbidding:
            return words
    if "not supported" in problem:
        return f"this kernel has no bridge or no veth ({problem}); load the modules bridge and veth"
    if "not permitted" in problem or "denied" in problem:
        return f"this kernel, or the container around the emulator, forbids it ({problem})"
    return problem
