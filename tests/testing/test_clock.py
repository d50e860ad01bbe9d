import threading

import pytest

from emulator.testing import Clock


def test_stands_still_until_it_is_advanced() -> None:
    clock = Clock(100.0)
    assert clock() == clock() == 100.0
    clock.advance(5)
    clock.sleep(0.5)
    assert (clock(), clock.now, clock.elapsed) == (105.5, 105.5, 5.5)


def test_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        Clock().advance(-1)


def test_begins_now_in_whole_seconds() -> None:
    assert Clock()() == int(Clock()())
    assert Clock()() > 1_700_000_000


def test_replays_an_earlier_moment() -> None:
    clock = Clock(100.0)
    clock.advance(50)
    with clock.replaying(120.0):
        assert (clock(), clock.now) == (120.0, 150.0)
    assert clock() == 150.0


def test_counts_what_threads_advance() -> None:
    clock = Clock(0.0)

    def advance() -> None:
        for _ in range(1000):
            clock.advance(1)

    threads = [threading.Thread(target=advance) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.elapsed == 8000
