"""A few steps instead of a training: the flags of the package's own parser that say how many."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from emulator.checks.evidence import Parser

_FEW: Final = {
    **dict.fromkeys(("train-steps", "max-steps", "num-steps", "steps", "training-steps"), 10),
    **dict.fromkeys(("num-train-steps", "train-max-steps", "steps-per-epoch"), 10),
    **dict.fromkeys(("epochs", "num-epochs", "n-epochs", "train-epochs", "num-train-epochs"), 1),
}


class Shortened(msgspec.Struct, frozen=True):
    """A flag with its few steps; ``instead`` is the value that the job has, "" for none."""

    flag: str
    few: int
    instead: str = ""

    @property
    def argument(self) -> str:
        return f"{self.flag}={self.few}"


def shorten(
    args: Sequence[str], parser: Parser | None, *, chosen: bool = False
) -> tuple[Shortened, ...]:
    """Flags to put behind ``args``, where the last one counts.

    Those of ``args`` that are smaller stay, and all of them if a person has ``chosen`` them for
    the run.
    """
    return tuple(_shortened(args, parser, chosen=chosen)) if parser else ()


def _shortened(args: Sequence[str], parser: Parser, *, chosen: bool) -> Iterator[Shortened]:
    for option in parser.options:
        flags = [name for name in option.names if name.startswith("--")]
        few = next((_FEW[name] for flag in flags if (name := _plain(flag)) in _FEW), None)
        if few is None:
            continue
        value = _value(args, option.names)
        if value is None:
            yield Shortened(flags[0], few)
        elif not chosen and not (value.isdecimal() and int(value) <= few):
            yield Shortened(flags[0], few, value)


def _plain(flag: str) -> str:
    return flag.removeprefix("--").replace("_", "-")


def _value(args: Sequence[str], names: Sequence[str]) -> str | None:
    """What stands after the last of these flags."""
    found = None
    for position, arg in enumerate(args):
        name, given, value = arg.partition("=")
        if name in names:
            found = value if given else next(iter(args[position + 1 : position + 2]), "")
    return found
