"""Builds a package inside the sandbox: ``python -m emulator.checks.building``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from emulator.errors import OperatorError
from emulator.packaging import build


def main(argv: Sequence[str]) -> int:
    """PACKAGE OUT PYTHON: the archives, or on standard output what gcloud would say."""
    package, out = map(Path, argv[:2])
    python = Path(argv[2]) if argv[2] else None
    try:
        build(package, out, python=python)
    except OperatorError as error:
        (out / "failure.txt").write_text(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
