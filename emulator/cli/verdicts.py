"""What ``check`` and ``check-model`` share: how a report is written, and the exit code of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emulator.cli.options import Decorator, formats
from emulator.errors import OperatorError

if TYPE_CHECKING:
    from emulator.findings import Report

FORMATS: Final = ("text", "json", "junit", "sarif", "github", "markdown")
FAILED: Final = 1
WARNED: Final = 3
Also = Sequence[tuple[str, Path]]


def _also(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> Also:
    found = []
    for text in texts:
        form, separator, path = text.partition("=")
        if not separator or not path or form not in FORMATS:
            raise click.BadParameter(
                f"expected FORMAT=FILE, one of {', '.join(FORMATS)}; got {text!r}"
            )
        found.append((form, Path(path)))
    return found


def verdict_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--format``, ``--json``, ``--report`` and ``--strict``."""
    options: tuple[Decorator, ...] = (
        click.option("--strict", is_flag=True, help="Exit 3 where there are warnings."),
        click.option(
            "--report",
            "also",
            multiple=True,
            metavar="FORMAT=FILE",
            callback=_also,
            help="Write the report there, too; markdown is appended. Repeatable.",
        ),
        formats(*FORMATS),
    )
    for option in options:
        function = option(function)
    return function


def deliver(
    report: "Report", write: Callable[["Report", str], str], *, form: str, also: Also, strict: bool
) -> None:
    """Print the report, write it to the files, and leave with its exit code."""
    from emulator.findings import Severity

    text = write(report, form)
    click.echo(text, nl=bool(text))
    for other, path in also:
        _store(path, write(report, other), append=other == "markdown")
    if report.count(Severity.ERROR):
        raise click.exceptions.Exit(FAILED)
    if strict and report.count(Severity.WARNING):
        raise click.exceptions.Exit(WARNED)


def _store(path: Path, text: str, *, append: bool) -> None:
    try:
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(f"{text}\n" if text else "")
    except OSError as error:
        raise OperatorError(f"The report {path} cannot be written: {error.strerror}.") from error
