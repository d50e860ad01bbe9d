"""``python -m emulator`` is the ``cmle`` command."""

from emulator.cli import main

main()
