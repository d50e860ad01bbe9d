"""What can be chosen about a check."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from emulator.golden import Golden
from emulator.isolation import Setting
from emulator.runtimes import Policy


class Data(msgspec.Struct, frozen=True):
    """What lies in Cloud Storage before a run: a file or folder, or what a command makes.

    In the command ``{}`` stands for the folder that it writes into.
    """

    target: str
    path: Path | None = None
    command: str = ""


class RunChoices(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen about a run; ``options`` are those of ``cmle serve``.

    Predictions are compared with ``golden``, or written to ``golden_file`` in place of that.
    """

    data: tuple[Data, ...] = ()
    instances: tuple[Any, ...] = ()
    golden: Golden | None = None
    golden_file: Path | None = None
    deadline_s: float = 300.0
    options: tuple[str, ...] = ()


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen about a check; ``training`` has fields of ``trainingInput``."""

    subject: Path
    config: Path | None = None
    training: Mapping[str, Any] = {}
    bucket_locations: dict[str, str] = {}
    ignored: tuple[str, ...] = ()
    cache_dir: Path
    catalog: Path | None = None
    wheelhouse: Path | None = None
    environment: Mapping[str, str]
    isolation: Setting = "auto"
    runtime_policy: Policy = "exact"
    deadline_s: float = 20.0
    use_cache: bool = True
    run: RunChoices | None = None
