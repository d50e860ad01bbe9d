"""What this machine can and cannot do, found out by looking and trying."""

import asyncio
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from emulator import engines
from emulator.errors import OperatorError
from emulator.interpreters import find as find_python
from emulator.isolation import probe, probe_cluster
from emulator.runtime_versions import shipped
from emulator.runtimes import COMPLETE, Made
from emulator.storage.binary import find as find_storage

NEEDED_BYTES: Final = 6 << 30  # two environments, a toolchain, some exports
TOOLS: Final = {
    "gcloud": "the conformance tests that drive gcloud are skipped",
    "go": "a missing fake-gcs-server is downloaded, or built with a fetched toolchain",
}


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at; ``advice`` says what to do, and only ``missing`` stops the emulator."""

    name: str
    level: Literal["ok", "limited", "missing"]
    text: str
    advice: str = ""


def examine(data_dir: Path, cache_dir: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at everything, one finding after another; builds and downloads nothing."""
    yield _system()
    yield _isolation()
    yield from _engine(environment)
    yield _storage(cache_dir, environment)
    yield from _pythons(cache_dir, environment)
    yield _environments(cache_dir)
    yield _disk("data directory", data_dir)
    yield _disk("cache", cache_dir)
    yield from (_tool(name, without, environment) for name, without in TOOLS.items())


def _system() -> Finding:
    text = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    if platform.system() == "Linux":
        return Finding("system", "ok", text)
    return Finding("system", "missing", text, "Run it on Linux: in WSL2, or in a container.")


def _isolation() -> Finding:
    level, cluster = probe(), probe_cluster()
    if level.isolation == "namespaces" and cluster.isolation == "none":
        return Finding(
            "isolation",
            "limited",
            f"no networks between namespaces: {cluster.reason}",
            "Single replicas run in namespaces of their own; those of a cluster share this "
            "machine's network and see its files.",
        )
    if level.isolation == "namespaces":
        return Finding("isolation", "ok", "replicas run in namespaces of their own")
    return Finding(
        "isolation",
        "limited",
        f"no namespaces: {level.reason}",
        "Jobs run with variables alone and see this machine's files and network. Allow "
        "unprivileged user namespaces, or run the emulator where they are allowed.",
    )


def _engine(environment: Mapping[str, str]) -> Iterator[Finding]:
    """An engine is not needed: the default runner uses processes."""
    try:
        seen = engines.look(environment)
    except OperatorError as error:
        yield Finding("Docker Engine", "ok", f"none for --runner docker: {error}")
        return
    gpus = "with" if seen.has_gpus else "without"
    yield Finding("Docker Engine", "ok", f"{seen.text}, {gpus} the NVIDIA runtime")
    if seen.open_because:
        yield Finding(
            "Docker isolation",
            "limited",
            f"jobs in containers can reach the open ports of the engine's machine: "
            f"{seen.open_because}",
            "Run the emulator as root on the engine's machine, or give the engine an image of the "
            "emulator's own with iptables (docker/emulator.Dockerfile).",
        )
    else:
        yield Finding(
            "Docker isolation", "ok", "the engine's machine can be closed to jobs in containers"
        )


def _storage(cache_dir: Path, environment: Mapping[str, str]) -> Finding:
    try:
        found = find_storage(None, cache_dir, environment)
    except OperatorError as error:
        return Finding("fake-gcs-server", "missing", str(error))
    if found:
        return Finding("fake-gcs-server", "ok", str(found))
    advice = "The first `cmle serve` obtains it; that needs a network."
    return Finding("fake-gcs-server", "limited", "not on this machine", advice)


def _pythons(cache_dir: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    catalogue = shipped()
    wanted = {
        python: version
        for version, known in catalogue.runtimes.items()
        for python in known.environments
    }
    stand_ins = {python for row in catalogue.stand_ins for python in row.python}
    for python in [*sorted(wanted), *sorted(stand_ins, key=lambda text: int(text[2:]))]:
        found = asyncio.run(find_python(python, environment, fetched=cache_dir / "pythons"))
        if found:
            yield Finding(f"Python {python}", "ok", found.path)
        elif python in wanted:
            yield Finding(
                f"Python {python}",
                "limited",
                "not on this machine",
                f"The first job of runtime version {wanted[python]} asks uv to fetch it. Or "
                f"install it (pyenv), or serve with --runtime-policy nearest.",
            )


def _environments(cache_dir: Path) -> Finding:
    made = []
    for path in sorted((cache_dir / "runtimes").glob(f"*/{COMPLETE}")):
        try:
            done = msgspec.json.decode(path.read_bytes(), type=Made)
        except (OSError, msgspec.DecodeError):
            continue
        made.append(f"TensorFlow {done.tensorflow} on Python {done.python}")
    if made:
        return Finding("runtimes", "ok", "; ".join(dict.fromkeys(made)))
    advice = "The first job makes one (1-3 minutes, a package index); `cmle runtimes build` too."
    return Finding("runtimes", "limited", "no environment has been made yet", advice)


def _disk(name: str, path: Path) -> Finding:
    place = path.absolute()
    while not os.path.exists(place):  # noqa: PTH110 - Path.exists raises where it may not look
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        advice = "Make it writable, or choose another with --data-dir or --cache-dir."
        return Finding(name, "missing", f"{path}: {place} cannot be written", advice)
    free = shutil.disk_usage(place).free
    text = f"{free / (1 << 30):.1f} GiB free for {path}"
    if free >= NEEDED_BYTES:
        return Finding(name, "ok", text)
    return Finding(name, "limited", text, "Environments take about 2 GB each; choose another disk.")


def _tool(name: str, without: str, environment: Mapping[str, str]) -> Finding:
    found = shutil.which(name, path=environment.get("PATH"))
    if found:
        return Finding(name, "ok", found)
    return Finding(name, "ok", f"not on PATH: {without}")
