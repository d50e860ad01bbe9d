"""``cmle check-model``: the verdict on an export before it is deployed."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from emulator.cli.options import (
    cache_dir_option,
    connected,
    isolation_option,
    runtime_policy_option,
    wheelhouse_option,
)
from emulator.cli.output import is_terminal, note
from emulator.cli.verdicts import Also, deliver, verdict_options
from emulator.errors import OperatorError

if TYPE_CHECKING:
    from emulator.exports.evidence import Evidence
    from emulator.exports.folders import Folder
    from emulator.exports.gather import Question
    from emulator.exports.serving import Session, Settings
    from emulator.findings import Report

_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(name="check-model")
@click.argument("export", metavar="DIR|gs://…", required=False)
@click.option("--runtime-version", default="", help="Default: 1.15 or 2.11, by the model.")
@click.option("--python-version", default="", help="Default: the runtime's newest.")
@click.option("--machine-type", default="", help="Where it is to run: mls1-c1-m2, n1-standard-2…")
@click.option(
    "--framework",
    type=click.Choice(["tensorflow", "scikit-learn", "xgboost"]),
    help="Default: by the names of the files.",
)
@click.option("--instances", type=click.File(), help="Serve it and ask: a JSON instance a line.")
@click.option("--signature-name", default="", help="Default: the model's own choice.")
@click.option("--golden", type=click.Path(path_type=Path), help="Instances and their predictions.")
@click.option("--update-golden", is_flag=True, help="Write the golden file from the answers.")
@click.option(
    "--recorded", type=_FILE, help='Of training: {"instance": …, "prediction": …} a line.'
)
@click.option("--schema", type=_FILE, help="JSON Schema of one prediction.")
@click.option("--key", "keys", multiple=True, help="Output that repeats its input; repeatable.")
@click.option("--latency-ms", type=click.FloatRange(0.0), help="What 95 of 100 answers may take.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0.0),
    default=1e-3,
    show_default=True,
    help="How far recorded numbers and new golden ones may be off.",
)
@click.option(
    "--ignore", "ignored", multiple=True, metavar="RULE", help="Leave a rule out; repeatable."
)
@verdict_options
@isolation_option("Of the model's server.")
@runtime_policy_option()
@wheelhouse_option
@click.option("--list", "show_rules", is_flag=True, help="Document every rule and leave.")
@cache_dir_option
@connected
def check_model(
    *, export: str | None, form: str, also: Also, strict: bool, show_rules: bool, **flags: Any
) -> None:
    """Say, without TensorFlow, whether the service would serve an export."""
    if show_rules:
        from emulator.exports.report import listing

        click.echo(listing())
        return
    if export is None:
        raise click.UsageError("Name the export's folder: DIR or gs://BUCKET/FOLDER.")
    _check_flags(flags)
    from emulator.exports.report import write

    deliver(_report(export, flags), write, form=form, also=also, strict=strict)


def _check_flags(flags: dict[str, Any]) -> None:
    if flags["update_golden"] and not flags["golden"]:
        raise click.UsageError("--update-golden needs --golden FILE, the file to write.")
    for flag in ("schema", "keys", "latency_ms"):
        if flags[flag] and not flags["instances"]:
            name = {"keys": "key"}.get(flag, flag).replace("_", "-")
            raise click.UsageError(f"--{name} needs --instances FILE: something must be asked.")
    if flags["ignored"]:
        from emulator.exports.rules import every

        if unknown := set(flags["ignored"]) - {rule.name for rule in every()}:
            raise click.UsageError(f"There is no rule {min(unknown)}; see --list.")


def _report(export: str, flags: dict[str, Any]) -> "Report":
    from emulator.exports.check import examine

    with _folder(export, flags) as folder:
        if not any(flags[name] for name in ("instances", "golden", "recorded")):
            return examine(folder, _question(flags), ignored=flags["ignored"])
        return _served(folder, flags)


def _served(folder: "Folder", flags: dict[str, Any]) -> "Report":
    import logging
    import time

    from emulator.exports.check import ask
    from emulator.exports.verdict import judge

    logging.getLogger("emulator").addHandler(logging.NullHandler())  # the report says it all
    began = time.perf_counter()
    evidence = ask(folder, _question(flags), _session(flags), _settings(flags), _progress)
    if flags["update_golden"]:
        _write_golden(flags, evidence)
    return judge(evidence, ignored=flags["ignored"], seconds=time.perf_counter() - began)


@contextlib.contextmanager
def _folder(export: str, flags: dict[str, Any]) -> Iterator["Folder"]:
    from emulator.exports.folders import BucketFolder, LocalFolder

    if not export.startswith("gs://"):
        yield LocalFolder(Path(export), export)
        return
    import tempfile

    from emulator.cli.options import connect

    with (
        tempfile.TemporaryDirectory(prefix="cmle-export-") as into,
        connect(flags["data_dir"], flags["project"]) as client,
    ):
        yield BucketFolder(client, export, Path(into))


def _question(flags: dict[str, Any]) -> "Question":
    from emulator.exports.gather import Question

    return Question(
        version=flags["runtime_version"],
        python_version=flags["python_version"],
        machine_type=flags["machine_type"],
        framework=flags["framework"] or "",
    )


def _session(flags: dict[str, Any]) -> "Session":
    from emulator import golden, skew
    from emulator.cli.predict import read_request
    from emulator.comparison import Tolerance
    from emulator.exports.evidence import Wishes
    from emulator.exports.serving import Session

    known = None if flags["update_golden"] or not flags["golden"] else golden.read(flags["golden"])
    if flags["instances"]:
        instances = read_request(flags["instances"], None, None)["instances"]
    elif flags["golden"]:
        instances = golden.read(flags["golden"]).instances
    else:
        instances = []
    latency_ms, tolerance = flags["latency_ms"], flags["tolerance"]
    return Session(
        instances=instances,
        signature_name=flags["signature_name"],
        wishes=Wishes(
            keys=flags["keys"],
            latency_s=None if latency_ms is None else latency_ms / 1000,
            golden=known,
            recorded=skew.read(flags["recorded"]) if flags["recorded"] else (),
            schema=_json(flags["schema"]) if flags["schema"] else True,
            tolerance=Tolerance(tolerance, tolerance),
        ),
    )


def _json(path: Path) -> Any:
    import json

    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise OperatorError(f"The JSON Schema {path} cannot be read: {error}.") from error


def _settings(flags: dict[str, Any]) -> "Settings":
    from emulator.exports.serving import Settings
    from emulator.isolation import choose
    from emulator.package_index import PackageIndex

    environment = dict(os.environ)
    wheelhouse = flags["wheelhouse"]
    return Settings(
        cache_dir=flags["cache_dir"].absolute(),
        environment=environment,
        isolation=choose(flags["isolation"]),
        index=PackageIndex.of_wheelhouse(wheelhouse)
        if wheelhouse
        else PackageIndex.of_user(environment),
        policy=flags["runtime_policy"],
    )


def _write_golden(flags: dict[str, Any], evidence: "Evidence") -> None:
    from emulator.comparison import Tolerance
    from emulator.exports.check import keep

    count = keep(evidence, flags["golden"], Tolerance(flags["tolerance"], flags["tolerance"]))
    note(f"Wrote {count} predictions to {flags['golden']}: look at them.")


def _progress(step: Any) -> None:
    if is_terminal():
        note(f"{step.subject}: {step.text}")
