"""How long work says what it is doing."""

from collections.abc import Callable

import msgspec


class Step(msgspec.Struct, frozen=True):
    """``subject`` is what is being made ("runtime 1.15"), ``text`` what happens to it now."""

    subject: str
    text: str


Progress = Callable[[Step], None]


def silent(step: Step) -> None:
    """Say nothing."""
