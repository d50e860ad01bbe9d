"""What can be chosen about a check."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from emulator.isolation import Setting
from emulator.runtimes import Policy


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen about a check; ``training`` has fields of ``trainingInput``."""

    subject: Path
    config: Path | None = None
    training: Mapping[str, Any] = {}
    bucket_locations: dict[str, str] = {}
    ignored: tuple[str, ...] = ()
    cache_dir: Path
    wheelhouse: Path | None = None
    environment: Mapping[str, str]
    isolation: Setting = "auto"
    runtime_policy: Policy = "exact"
    deadline_s: float = 20.0
    use_cache: bool = True
