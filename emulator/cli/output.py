"""What commands print: YAML or JSON documents, tables, progress."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


def console(*, err: bool = False) -> "Console":
    """A terminal as it is: colours only where there is one and NO_COLOR is not set."""
    from rich.console import Console

    return Console(stderr=err, highlight=False, no_color=bool(os.environ.get("NO_COLOR")) or None)


def as_yaml(document: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=True, allow_unicode=True)
    return text.rstrip("\n")


def show(document: Any, form: str = "text") -> None:
    """One resource: YAML, as gcloud prints it, or JSON."""
    if form == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True))
    else:
        click.echo(as_yaml(document))


def show_rows(
    documents: Sequence[Mapping[str, Any]], columns: Mapping[str, str], form: str
) -> None:
    """A list of resources: a table of ``{heading: field}``, or JSON of everything."""
    if form == "json":
        show(list(documents), form)
    elif not documents:
        click.echo("Listed 0 items.", err=True)
    else:
        cells = [
            [_cell(document.get(field)) for field in columns.values()] for document in documents
        ]
        show_table(list(columns), cells)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns aligned by blanks, so that the output is easy to cut."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())


def note(text: str) -> None:
    """Something for the person, beside the output."""
    click.echo(text, err=True)


def done(text: str, document: Any, form: str) -> None:
    """What was done: a sentence for the person; for a program, the document."""
    note(text)
    if form == "json":
        show(document, form)


def is_terminal() -> bool:
    return sys.stderr.isatty()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
