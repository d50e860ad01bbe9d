from itertools import count

import pytest

from emulator.latency import measured, percentile


@pytest.mark.parametrize(
    ("share", "found"), [(0.0, 1.0), (0.5, 3.0), (0.95, 4.0), (1.0, 4.0)], ids=str
)
def test_percentiles_are_times_that_were_measured(share: float, found: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == found


def test_first_call_is_not_counted() -> None:
    calls = []
    ticks = count()
    seconds = measured(lambda: calls.append(1), 3, clock=lambda: float(next(ticks)))
    assert len(calls) == 4
    assert seconds == [1.0, 1.0, 1.0]
