"""What environments and installations hold, read from their folders; nothing is imported."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from emulator.checks.evidence import Archive, Installation, RuntimeFacts
from emulator.checks.requirements import Requirement, canonical, parse
from emulator.checks.sources import within
from emulator.runtimes import Runtime

_OLD_STDLIB: Final = frozenset(
    {
        *("asynchat", "asyncore", "distutils", "imp", "smtpd", "cgi", "cgitb", "crypt", "audioop"),
        *("chunk", "imghdr", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "uu"),
        *("sndhdr", "spwd", "sunau", "telnetlib", "xdrlib", "lib2to3", "aifc", "binhex", "parser"),
        *("formatter", "macpath", "symbol", "dummy_threading", "_dummy_thread"),
    }
)
_INFO: Final = re.compile(r"(.+?)-([^-]+)(?:-py[\d.]+.*)?\.(?:dist|egg)-info")


def facts(runtime: Runtime) -> RuntimeFacts:
    """Names and versions of everything that a runtime's environment has."""
    library = Path(runtime.env_dir, runtime.library)
    names = {entry.name.partition(".")[0] for entry in library.iterdir()}
    major, minor = runtime.actual_python.split(".")[:2]
    return RuntimeFacts(
        runtime.version,
        (int(major), int(minor)),
        runtime.tensorflow,
        frozenset(names | _OLD_STDLIB | sys.stdlib_module_names),
        _distributions(entry.name for entry in library.iterdir()),
    )


def installed(root: Path, runtime: Runtime, log: Sequence[str]) -> Installation:
    """What an installation put below the user's base."""
    library = root / runtime.library
    files = {str(path.relative_to(library)) for path in library.rglob("*") if path.is_file()}
    scripts = {path.name for path in (root / "bin").glob("*.py")}
    distributions = _distributions(entry.name for entry in library.glob("*-info"))
    return Installation(
        done=True, log=tuple(log), files=frozenset(files | scripts), distributions=distributions
    )


def expected(archives: Iterable[Archive]) -> frozenset[str]:
    """The files that an installation would bring, judged by the archives' lists."""
    return frozenset(
        inside.removeprefix("src/")
        for archive in archives
        for member in archive.members
        if (inside := within(member.name, archive.name))
    )


def requires(archives: Iterable[Archive]) -> list[Requirement]:
    """What the archives declare that they need (not the extras)."""
    found = []
    for archive in archives:
        for name, text in archive.texts.items():
            if name.endswith(".egg-info/requires.txt"):
                plain = re.split(r"(?m)^\[", text, maxsplit=1)[0]
                found += [parse(line) for line in plain.splitlines() if line.strip()]
            elif name.endswith(".dist-info/METADATA"):
                rows = re.findall(r"(?m)^Requires-Dist: (.+)$", text)
                found += [parse(row) for row in rows if "extra ==" not in row]
    return [requirement for requirement in found if requirement is not None]


def replaces(overlay: Mapping[str, str], base: Mapping[str, str]) -> list[str]:
    """Distributions of the runtime that an installation brings again."""
    return sorted(overlay.keys() & base.keys())


def _distributions(names: Iterable[str]) -> dict[str, str]:
    found = (_INFO.fullmatch(name) for name in names)
    return {canonical(it[1]): it[2] for it in found if it}
