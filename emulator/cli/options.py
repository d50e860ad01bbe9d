"""Options that commands share, and the way from a data directory to its emulator."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emulator.errors import OperatorError

if TYPE_CHECKING:
    from emulator.client import Client
    from emulator.datadir import Endpoint

BASE_IMAGE_HELP = (
    "The image that runtime images are built from; default: cmle/base:<python> if this machine "
    "has it, else the public python:<python>-slim.  [$CMLE_BASE_IMAGE]"
)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def default_data_dir() -> Path:
    """$CMLE_DATA_DIR, else a folder of the user's own data, the same from every directory."""
    if chosen := os.environ.get("CMLE_DATA_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "cmle" / "default"


def default_cache_dir() -> Path:
    """$CMLE_CACHE_DIR, else the user's cache: binaries and environments, made once for all."""
    if chosen := os.environ.get("CMLE_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cmle"


data_dir_option: Decorator = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_data_dir,
    show_default="$CMLE_DATA_DIR or ~/.local/share/cmle/default",
    help="The folder of the emulator.",
)
cache_dir_option: Decorator = click.option(
    "--cache-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_cache_dir,
    show_default="$CMLE_CACHE_DIR or ~/.cache/cmle",
    help="Where binaries and environments are kept.",
)
wheelhouse_option: Decorator = click.option(
    "--wheelhouse",
    type=click.Path(path_type=Path),
    help="A folder of wheels that installations use instead of an index.",
)
_JSON: Final = "cmle.json"


def isolation_option(about: str) -> Decorator:
    """``--isolation``; ``about`` says what it means for this command."""
    return click.option(
        "--isolation",
        type=click.Choice(["auto", "require", "namespaces", "none"]),
        default="auto",
        show_default=True,
        help=about,
    )


def runtime_policy_option(
    about: str = "nearest: a newer TensorFlow may stand in.", *, default: str = "exact"
) -> Decorator:
    """``--runtime-policy``: what is done about a runtime that cannot be made."""
    return click.option(
        "--runtime-policy",
        type=click.Choice(["exact", "nearest"]),
        default=default,
        show_default=True,
        help=about,
    )


def formats(*forms: str) -> Decorator:
    """``--format``, the first of ``forms`` by default, and ``--json`` for short, as ``form``."""
    chosen = click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        callback=lambda context, _, form: "json" if context.meta.get(_JSON) else form,
        help="How to print the answer.",
    )
    short = click.option(
        "--json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=lambda context, _, wanted: context.meta.update({_JSON: wanted}),
        help="The same as --format json.",
    )
    return lambda function: chosen(short(function))


format_option: Decorator = formats("text", "json")


def connected(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that talks to a running emulator: see ``connect``."""
    project = click.option("--project", default="", help="Another project than the emulator's.")
    return data_dir_option(project(function))


def endpoint(data_dir: Path) -> "Endpoint":
    """The address card of the emulator that runs on this folder."""
    from emulator.datadir import DataDir

    found = DataDir(data_dir).endpoint()
    if found is None:
        raise OperatorError(
            f"No emulator runs on {data_dir}. Start one with `cmle serve --data-dir {data_dir}`, "
            "or name the folder of the one that runs: --data-dir or $CMLE_DATA_DIR."
        )
    return found


def connect(data_dir: Path, project: str) -> "Client":
    """A client of the emulator that runs on this folder."""
    from emulator.client import Client

    card = endpoint(data_dir)
    return Client(card.url, project or card.project)


def pairs(texts: str) -> dict[str, str]:
    """``a=b,c=d`` as a dict."""
    found = {}
    for text in filter(None, texts.split(",")):
        key, separator, value = text.partition("=")
        if not separator:
            raise click.BadParameter(f"expected KEY=VALUE, got {text!r}")
        found[key.strip()] = value.strip()
    return found


def load_config(path: Path | None) -> dict[str, Any]:
    """A YAML or JSON file with a resource in it."""
    if path is None:
        return {}
    import yaml

    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OperatorError(f"The configuration file {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise OperatorError(f"The configuration file {path} does not hold a mapping.")
    return document
