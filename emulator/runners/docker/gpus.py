"""How many GPUs the engine can give to containers."""

import contextlib
from pathlib import Path
from typing import Any, Final

from docker.api.client import APIClient

from emulator.errors import CmleError
from emulator.runners.docker.description import labels
from emulator.runners.docker.engine import Engine

RUNTIME: Final = "nvidia"
_DEADLINE_S: Final = 30.0
_DEVICES: Final = "nvidia[0-9]*"
_COUNT: Final = f"import glob; print(len(glob.glob('/dev/{_DEVICES}')))"


def is_possible(engine: Engine) -> bool:
    """Whether the NVIDIA container toolkit is registered with the engine."""
    return RUNTIME in (engine.info.get("Runtimes") or {})


async def count(engine: Engine, instance: str, image: str, devices: Path = Path("/dev")) -> int:
    """The devices of this machine, else those that a container of ``image`` is shown.

    The engine may be another machine's, or its devices hidden from a container that this
    process runs in. Without an image there is nobody to ask.
    """
    if not is_possible(engine):
        return 0
    if found := len(list(devices.glob(_DEVICES))):
        return found
    if not image:
        return 0
    try:
        return await engine.call(lambda client: _shown(client, instance, image))
    except (CmleError, ValueError):
        return 0


def _shown(client: APIClient, instance: str, image: str) -> int:
    described: dict[str, Any] = {
        "Image": image,
        "Entrypoint": ["python3", "-I", "-c", _COUNT],
        "User": "65534:65534",
        "Env": ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility"],
        "Labels": labels(instance, role="gpus"),
        "HostConfig": {"NetworkMode": "none", "Runtime": RUNTIME, "Init": True},
    }
    made = client.create_container_from_config(described)["Id"]
    try:
        client.start(made)
        client.wait(made, timeout=_DEADLINE_S)
        return int(client.logs(made, stderr=False).strip())
    finally:
        with contextlib.suppress(Exception):  # the sweep removes it
            client.remove_container(made, force=True, v=True)
