"""Files that ship with the emulator, in a checkout and in an installed wheel alike."""

import ast
from pathlib import Path
from typing import Final

from emulator.errors import OperatorError

PACKAGE: Final = Path(__file__).resolve().parent
DATA: Final = PACKAGE / "data"
SHIMS: Final = DATA / "shims"
CATALOG: Final = DATA / "catalog"
CAPTURE: Final = SHIMS / "capture"  # on PYTHONPATH of replicas: its sitecustomize.py logs
ACCELERATORS: Final = SHIMS / "accelerators"  # on PYTHONPATH beside it: stubs of TPU and GPU


def folder(name: str) -> Path:
    """``docker`` or ``trainer_fixtures``: inside the wheel, else beside the package."""
    inside = DATA / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def trainers() -> dict[str, Path]:
    """The shipped trainers by name: whole ones to start from, and some that fail in one way.

    A trainer with several forms is there by its own name, too: the last of them.
    """
    root = folder("trainer_fixtures")
    found = {}
    for job in sorted([*root.glob("*/job.yaml"), *root.glob("*/*/job.yaml")]):
        name = job.parent.relative_to(root)
        is_whole = (job.parent / "trainer" / "task.py").is_file()  # some are another job of one
        if is_whole and name.parts[0] != "checks":  # of `cmle check`: examples of a line or two
            found[str(name)] = found[name.parts[0]] = job.parent
    return dict(sorted(found.items()))


def fixtures(name: str) -> Path:
    """The folder of a shipped trainer, such as ``taxifare`` or ``taxifare/tf1``: read it, copy it.

    OperatorError, with the names that there are, for another.
    """
    known = trainers()
    if name not in known:
        raise OperatorError(
            f"There is no trainer {name!r} among those that ship: {', '.join(known)}."
        )
    return known[name]


def title(trainer: Path) -> str:
    """What a trainer does, in one line: of its setup.py's description, else of its code."""
    for name in ("setup.py", "trainer/task.py"):
        file = trainer / name
        tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
        if text := _description(tree) or ast.get_docstring(tree):
            return text.partition("\n")[0]
    return ""


def _description(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "description":
            return str(ast.literal_eval(node.value))
    return ""
