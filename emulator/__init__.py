"""Cloud ML Engine on one machine, offline: training, prediction and their storage."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.embedded import Emulator as Emulator
    from emulator.shipped import fixtures as fixtures

__all__ = ["Emulator", "fixtures"]


def __getattr__(name: str) -> Any:
    """Imported when first asked for: `import emulator` stays light."""
    if name == "Emulator":
        from emulator.embedded import Emulator  # noqa: PLC0415 - the point of this function

        return Emulator
    if name == "fixtures":
        from emulator.shipped import fixtures  # noqa: PLC0415 - as above

        return fixtures
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
