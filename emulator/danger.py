"""The preemptions that one life of a replica may meet: by what it prints, or by the clock."""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable

import msgspec

from emulator.fault_plan import FaultPlan
from emulator.faults import Preempt
from emulator.steps import Steps


class Struck(msgspec.Struct, frozen=True):
    """A preemption that happens now; ``reason`` ends a sentence: "at step 50"."""

    id: str
    preempt: Preempt
    reason: str


class Danger:
    """From a life's beginning to its end; each fault strikes it once at most.

    ``whose`` are project and job id. The plan may change meanwhile.
    """

    def __init__(
        self,
        faults: FaultPlan,
        whose: tuple[str, str],
        label: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._faults = faults
        self._who = (*whose, label)
        self._clock = clock
        self._began = clock()
        self._steps = Steps()
        self._met: set[str] = set()

    def hear(self, text: str) -> Struck | None:
        """What strikes at this line of output, if anything does."""
        step = self._steps.read(text)
        for fault_id, preempt in self._faults.preemptions(*self._who):
            wanted, pattern = preempt.at_step, preempt.at_text
            if wanted is not None and step is not None and step >= wanted:
                reason = f"at step {step}"
            elif pattern is not None and re.search(pattern, text):
                reason = f"at the line {text!r}"
            else:
                continue
            if struck := self._strike(fault_id, preempt, reason):
                return struck
        return None

    async def due(self) -> Struck | None:
        """Wait for the next one by the clock, or for a change of the plan: then None."""
        change = self._faults.change
        waiting = [
            (preempt.after_s, fault_id, preempt)
            for fault_id, preempt in self._faults.preemptions(*self._who)
            if preempt.after_s is not None and fault_id not in self._met
        ]
        after_s, fault_id, preempt = min(waiting, default=(None, "", None), key=_first)
        left = None if after_s is None else max(0.0, self._began + after_s - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await change.wait()
            return None
        if preempt is None:
            return None
        return self._strike(fault_id, preempt, f"{after_s:g} s after it began")

    def _strike(self, fault_id: str, preempt: Preempt, reason: str) -> Struck | None:
        if fault_id in self._met or not self._faults.strike(fault_id):
            return None
        self._met.add(fault_id)
        return Struck(fault_id, preempt, reason)


def _first(waiting: tuple[float | None, str, Preempt | None]) -> float:
    return waiting[0] or 0.0
