"""The supervisor's modules, imported as it imports them itself."""

import importlib
from collections.abc import Callable
from types import ModuleType

import pytest

from emulator.shipped import SHIMS


@pytest.fixture
def shim(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(SHIMS / "supervision"))
    return importlib.import_module
