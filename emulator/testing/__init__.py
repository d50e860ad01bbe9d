"""Google's hosts answered within the test's own process, by a service that follows a script."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.testing.clock import Clock as Clock
    from emulator.testing.faults import Fault as Fault
    from emulator.testing.faults import internal as internal
    from emulator.testing.faults import quota as quota
    from emulator.testing.faults import unavailable as unavailable
    from emulator.testing.in_process import intercept as intercept
    from emulator.testing.interception import Interception as Interception
    from emulator.testing.interception import Unmatched as Unmatched
    from emulator.testing.outcomes import JobOutcome as JobOutcome
    from emulator.testing.outcomes import fails as fails
    from emulator.testing.outcomes import refuses as refuses
    from emulator.testing.outcomes import states as states
    from emulator.testing.outcomes import succeeds as succeeds
    from emulator.testing.predictions import PredictionError as PredictionError
    from emulator.testing.predictions import table as table
    from emulator.testing.script import FakeService as FakeService
    from emulator.testing.script import fake_service as fake_service

_PLACES = {
    "Clock": "clock",
    "FakeService": "script",
    "Fault": "faults",
    "Interception": "interception",
    "JobOutcome": "outcomes",
    "PredictionError": "predictions",
    "Unmatched": "interception",
    "fails": "outcomes",
    "fake_service": "script",
    "intercept": "in_process",
    "internal": "faults",
    "quota": "faults",
    "refuses": "outcomes",
    "states": "outcomes",
    "succeeds": "outcomes",
    "table": "predictions",
    "unavailable": "faults",
}
__all__ = sorted(_PLACES)  # noqa: PLE0605 the names are written once


def __getattr__(name: str) -> Any:
    """Imported when first asked for: a test-suite that only might intercept pays nothing."""
    from importlib import import_module  # noqa: PLC0415 - so is this

    if name in _PLACES:
        return getattr(import_module(f"emulator.testing.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
