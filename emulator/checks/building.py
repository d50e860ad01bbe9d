"""Builds a package inside the sandbox: ``python -m emulator.checks.building``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emulator.errors import OperatorError
from emulator.packaging import build

FAILURE: Final = "failure.txt"
REFUSED: Final = 3  # 1 is an error of this program's own


def main(argv: Sequence[str]) -> int:
    """PACKAGE OUT PYTHON: the archives, or in a file there what gcloud would say."""
    package, out = map(Path, argv[:2])
    python = Path(argv[2]) if argv[2] else None
    try:
        build(package, out, python=python)
    except OperatorError as error:
        (out / FAILURE).write_text(str(error))
        return REFUSED
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
