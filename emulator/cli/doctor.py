"""``cmle doctor``: what works here, what does not, why, and what to do."""

import os
from pathlib import Path
from typing import Final

import click

from emulator.cli.options import cache_dir_option, data_dir_option, format_option
from emulator.cli.output import console, show

STYLES: Final = {"ok": "green", "limited": "yellow", "missing": "red"}


@click.command(name="doctor")
@data_dir_option
@cache_dir_option
@format_option
def doctor(*, data_dir: Path, cache_dir: Path, form: str) -> None:
    """Say what this machine can and cannot do; exit 1 if the emulator cannot run here."""
    from emulator.doctor import examine

    terminal = console()
    findings = []
    for finding in examine(data_dir.absolute(), cache_dir.absolute(), dict(os.environ)):
        findings.append(finding)
        if form == "text":
            terminal.print(f"{finding.level:<8}", style=STYLES[finding.level], end="")
            terminal.print(f"{finding.name:<16} {finding.text}", markup=False, soft_wrap=True)
            if finding.advice:
                terminal.print(f"{'':<25}{finding.advice}", markup=False, soft_wrap=True)
    if form == "json":
        show([{name: getattr(f, name) for name in f.__struct_fields__} for f in findings], form)
    if any(finding.level == "missing" for finding in findings):
        raise click.exceptions.Exit(1)
