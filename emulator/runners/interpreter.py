"""What a Python interpreter needs to be seen of, in a root that shows nothing else."""

import os
from pathlib import Path
from typing import Final

import msgspec

from emulator.cluster import Bind, Replica

_LINKS: Final = 16


def see_interpreter(replica: Replica) -> Replica:
    """Add read-only binds for the interpreter that the replica runs, where it runs one."""
    program = Path(replica.argv[0])
    if replica.isolation == "none" or not program.is_absolute():
        return replica
    targets = {bind.target for bind in replica.binds}
    if not program.exists():  # a path of the inside, or none at all: the start will say
        return replica
    missing = [bind for bind in interpreter_binds(program) if bind.target not in targets]
    return msgspec.structs.replace(replica, binds=(*replica.binds, *missing))


def interpreter_binds(program: Path) -> tuple[Bind, ...]:
    """The folders of an environment and of the installations behind its links.

    ``bin/python`` is followed link by link: each stop's prefix is part of how Python finds
    its library, and so is the ``home`` that pyvenv.cfg names.
    """
    prefixes: list[Path] = []
    for stop in _stops(program):
        prefix = stop.parent.parent
        for found in (prefix, _home(prefix)):
            if found is not None and found not in prefixes and _holds_python(found):
                prefixes.append(found)
    return tuple(Bind(str(prefix), str(prefix)) for prefix in prefixes)


def _holds_python(prefix: Path) -> bool:
    """Whether it is an environment or an installation: never show a home for its bin/python."""
    return (prefix / "pyvenv.cfg").exists() or any(prefix.glob("lib*/python*"))


def _stops(program: Path) -> list[Path]:
    stops = [program]
    for _ in range(_LINKS):
        if not stops[-1].is_symlink():
            break
        stops.append(Path(os.path.normpath(stops[-1].parent / stops[-1].readlink())))
    real = program.resolve()
    return stops if stops[-1] == real else [*stops, real]


def _home(prefix: Path) -> Path | None:
    """The prefix of the installation that an environment was made from."""
    try:
        rows = (prefix / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return None
    for row in rows:
        name, _, value = row.partition("=")
        if name.strip() == "home":
            return Path(value.strip()).parent
    return None
