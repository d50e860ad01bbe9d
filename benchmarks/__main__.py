"""``python -m benchmarks [names] [--quick]``: print each figure with its peer, from one run."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    check,
    check_model,
    gcs,
    intercept,
    job,
    predict,
    pytest_plugin,
    seeded,
    startup,
    tiers,
)
from benchmarks.measuring import Figure, Grid, Options
from emulator.errors import OperatorError

BENCHMARKS = {
    "startup": startup,
    "job": job,
    "tiers": tiers,
    "gcs": gcs,
    "predict": predict,
    "intercept": intercept,
    "pytest": pytest_plugin,
    "check": check,
    "check-model": check_model,
    "seeded": seeded,
}
WIDTH = 110  # a table that is cut says nothing
MARKS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def main(arguments: Sequence[str]) -> int:
    """The exit status tells only whether everything could be measured."""
    given = read(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users' Python keeps what it compiles
    console = Console()
    console.width = max(console.width, WIDTH)
    progress = Console(stderr=True)
    options = Options(
        quick=given.quick,
        gcloud=given.gcloud,
        cache_dir=given.cache_dir,
        runtimes=tuple(given.runtime or ["2.11"]),
        say=lambda text: progress.print(f"[dim]{text}[/]", highlight=False),
    )
    failures = 0
    for name in given.names or BENCHMARKS:
        began = time.perf_counter()
        try:
            for figure in BENCHMARKS[name].figures(options):
                console.print(table(figure))
        except OperatorError as error:
            failures += 1
            progress.print(f"{name} could not be measured: {error}", style="red", markup=False)
        options.say(f"{name}: {time.perf_counter() - began:.0f} s")
    load = os.getloadavg()[0]
    console.print(f"{os.cpu_count()} cores, load {load:.1f}. Targets are for an idle machine.")
    return 1 if failures else 0


def read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", type=known, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="few repetitions, small data")
    parser.add_argument("--gcloud", action="store_true", help="ask it of every seeded package, too")
    parser.add_argument("--runtime", action="append", choices=["1.15", "2.11"], help="2.11")
    parser.add_argument("--cache-dir", type=Path, help="where environments are kept")
    return parser.parse_args(arguments)


def known(name: str) -> str:
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(BENCHMARKS)}")
    return name


def table(figure: Figure | Grid) -> Table:
    if isinstance(figure, Grid):
        return counts(figure)
    found = Table(title=figure.title, title_justify="left")
    found.add_column("figure")
    for heading in ("here", figure.peer, "compared", "target"):
        found.add_column(heading, justify="right")
    found.add_column("")
    for row in figure.rows:
        found.add_row(row.what, row.here, row.peer, row.compared, row.target, MARKS[row.met])
    return found


def counts(grid: Grid) -> Table:
    found = Table(title=grid.title, title_justify="left")
    for number, heading in enumerate(grid.headings):
        found.add_column(heading, justify="right" if number else "left")
    for row in grid.rows[:-1]:
        found.add_row(*row)
    found.add_section()
    found.add_row(*grid.rows[-1])
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
