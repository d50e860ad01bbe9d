"""The user's own files, read and parsed; nothing of them is run."""

import ast
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from emulator.checks.evidence import Archive, Source, Syntax
from emulator.errors import OperatorError
from emulator.packaging import LEFT_OUT

_LARGEST: Final = 2 << 20  # bytes of a source file that is parsed
_MOST_FILES: Final = 20_000


class Subject(msgspec.Struct, frozen=True):
    """What is checked: a package below its root, or a finished archive."""

    root: Path
    package: str
    archive: Path | None = None

    def shown(self, inside: str, working: Path) -> str:
        """A path as the user would name it from the working directory."""
        path = self.root / inside
        return str(path.relative_to(working)) if path.is_relative_to(working) else str(path)


def find(given: Path) -> Subject:
    """A package (with ``__init__.py``), a folder that holds one, or an archive."""
    path = Path(os.path.abspath(given))  # noqa: PTH100 - links stay as they are written
    if path.is_file():
        return Subject(path.parent, "", path)
    if not path.is_dir():
        raise OperatorError(f"There is no package, folder or archive at {given}.")
    if (path / "__init__.py").is_file():
        return Subject(path.parent, path.name)
    held = sorted(
        each.parent for each in path.glob("*/__init__.py") if each.parent.name not in _NOT_TRAINERS
    )
    chosen = [each for each in held if each.name == "trainer"] or held
    if len(chosen) == 1:
        return Subject(path, chosen[0].name)
    if not held:
        folders = sorted(each.parent.name for each in path.glob("*/*.py"))
        likely = "trainer" if "trainer" in folders else (folders[0] if folders else "")
        if likely:
            return Subject(path, likely)
        return Subject(path.parent, path.name)
    names = ", ".join(each.name for each in held)
    raise OperatorError(f"{given} holds several packages: {names}. Name the one to be checked.")


_NOT_TRAINERS: Final = frozenset({"tests", "test", "docs", "build", "dist"})


def read(subject: Subject, working: Path, python: tuple[int, int]) -> list[Source]:
    """Every Python file of the root, parsed with the grammar of a runtime's Python."""
    return [
        parse(subject.shown(inside, working), inside, text, python)
        for inside, text in _texts(subject.root)
    ]


def read_archive(archive: Archive, shown: str, python: tuple[int, int]) -> list[Source]:
    """The Python files of an archive, below its one top folder."""
    return [
        parse(f"{shown}/{inside}", inside, text, python)
        for name, text in sorted(archive.texts.items())
        if name.endswith(".py") and (inside := within(name, archive.name))
    ]


def within(member: str, archive: str) -> str:
    """A member's path without the folder that every source archive begins with."""
    return member if archive.endswith(".whl") else member.partition("/")[2]


def parse(shown: str, inside: str, text: str, python: tuple[int, int]) -> Source:
    """A source with its tree; Python 2's is not parsed at all."""
    plain = inside.removeprefix("src/")
    module = plain.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if python < (3, 0):
        return Source(shown, inside, text, module)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, feature_version=python)
    except SyntaxError as error:
        return Source(
            shown, inside, text, module, syntax=Syntax(error.lineno or 0, error.msg or "")
        )
    except (ValueError, RecursionError, MemoryError) as error:
        return Source(shown, inside, text, module, syntax=Syntax(0, str(error)))
    return Source(shown, inside, text, module, tree)


def data_files(root: Path, package: str) -> tuple[str, ...]:
    """The files of the package that are no Python, by their path in the root."""
    return tuple(
        str(path.relative_to(root))
        for path in _walk(root / package)
        if path.suffix not in {".py", ".pyc"}
    )


def beside(root: Path) -> tuple[str, ...]:
    """Names of the files that lie directly in the root."""
    return tuple(sorted(path.name for path in root.iterdir() if path.is_file()))


def requirements(root: Path, names: Iterable[str]) -> dict[str, str]:
    """The requirements files among some files of the root."""
    wanted = [name for name in names if name.rpartition("/")[2] == "requirements.txt"]
    return {
        name: (root / name).read_text(errors="replace")
        for name in wanted
        if (root / name).stat().st_size <= _LARGEST
    }


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    for path in _walk(root):
        if path.suffix == ".py" and path.stat().st_size <= _LARGEST:
            text = path.read_bytes().decode("utf-8", "replace").removeprefix("\ufeff")
            yield str(path.relative_to(root)), text


def _walk(root: Path) -> Iterator[Path]:
    """Regular files below a folder, sorted; caches, environments and links to folders left out."""
    count = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in LEFT_OUT
            and not name.endswith(".egg-info")
            and name not in {"build", "dist"}
            and not Path(folder, name, "pyvenv.cfg").is_file()
        )
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file():
                count += 1
                if count > _MOST_FILES:
                    return
                yield path
