import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from emulator.errors import OperatorError
from emulator.testing import intercept, seams


def shout(original: Callable[[], str]) -> Callable[[], str]:
    return lambda: original().upper()


def test_an_attribute_is_replaced_and_put_back() -> None:
    owner = SimpleNamespace(say=lambda: "a")
    before = owner.say
    undo = seams.put(owner, "say", shout)
    assert owner.say() == "A"
    undo()
    assert owner.say is before


def test_what_somebody_else_replaced_since_is_left_to_them() -> None:
    owner = SimpleNamespace(say=lambda: "a")
    undo = seams.put(owner, "say", shout)
    theirs = owner.say = lambda: "theirs"
    undo()
    assert owner.say is theirs


def test_a_library_that_is_not_there_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    known = (seams.Seam("no_such_library", "emulator.testing.no_such_module"), *seams.SEAMS)
    monkeypatch.setattr(seams, "SEAMS", known)
    with intercept():
        pass


def test_what_a_library_needs_besides_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    known = (*seams.SEAMS, seams.Seam("requests", "emulator.testing.sleeping", "no_such_library"))
    monkeypatch.setattr(seams, "SEAMS", known)
    before = time.sleep
    with (
        pytest.raises(OperatorError, match=r"no_such_library is not.*cmle\[testing\]"),
        intercept(),
    ):
        raise AssertionError
    assert time.sleep is before
    assert seams.current() is None
