"""``cmle check``: the verdict on a package before it is submitted."""

import os
from pathlib import Path
from typing import Any, Final

import click

from emulator.cli.check_run import run_choices, run_options
from emulator.cli.options import (
    cache_dir_option,
    isolation_option,
    pairs,
    runtime_policy_option,
    wheelhouse_option,
)
from emulator.cli.output import is_terminal, note
from emulator.cli.verdicts import Also, deliver, verdict_options

_WIDEST: Final = 200


@click.command(name="check")
@click.argument(
    "subject", metavar="PACKAGE_OR_DIR", required=False, type=click.Path(path_type=Path)
)
@click.argument("user_args", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS]…")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML or JSON Job, as gcloud takes it; flags win.",
)
@click.option("--module-name", help="What is run: python -m MODULE. Default: PACKAGE.task.")
@click.option("--job-dir", help="gs:// folder; passed on as --job-dir.")
@click.option("--region")
@click.option("--scale-tier", metavar="TIER", help="Default: the file's, else BASIC.")
@click.option("--runtime-version", help="Default: the file's, else 2.11.")
@click.option("--python-version", help="Default: the file's, else 3.7.")
@click.option(
    "--bucket-location",
    "locations",
    multiple=True,
    metavar="BUCKET=LOCATION",
    help="Where a bucket lies; repeatable.",
)
@click.option(
    "--ignore", "ignored", multiple=True, metavar="RULE", help="Leave a rule out; repeatable."
)
@run_options
@verdict_options
@isolation_option("none: the module is imported without any isolation.")
@runtime_policy_option()
@click.option(
    "--import-deadline",
    "deadline_s",
    type=click.FloatRange(0.1),
    default=20.0,
    show_default=True,
    help="Seconds that the module's own import may take.",
)
@wheelhouse_option
@click.option(
    "--catalog",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Tables that add to the scale tiers, machine types, accelerators and regions.",
)
@click.option("--no-cache", is_flag=True, help="Look again, whatever is known.")
@click.option("--list", "show_rules", is_flag=True, help="Document every rule and leave.")
@cache_dir_option
def check(
    *,
    subject: Path | None,
    form: str,
    also: Also,
    strict: bool,
    show_rules: bool,
    **flags: Any,
) -> None:
    """Say, without training, whether a package would work in the cloud.

    With --run it is trained, too: a few steps, by an emulator of its own that leaves nothing.
    """
    if show_rules:
        from emulator.checks.report import listing

        click.echo(listing())
        return
    if subject is None:
        raise click.UsageError("Name a package, a folder that holds one, or an archive.")
    from emulator.checks.check import check as look
    from emulator.checks.report import write

    report = look(_choices(subject, flags), _progress)
    deliver(report, write, form=form, also=also, strict=strict)


def _choices(subject: Path, flags: dict[str, Any]) -> Any:
    from emulator.checks.choices import Choices

    training = {
        "args": list(flags["user_args"]),
        "jobDir": flags["job_dir"],
        "pythonModule": flags["module_name"],
        "pythonVersion": flags["python_version"],
        "region": flags["region"],
        "runtimeVersion": flags["runtime_version"],
        "scaleTier": flags["scale_tier"],
    }
    return Choices(
        subject=subject,
        config=flags["config"],
        training={name: value for name, value in training.items() if value},
        bucket_locations=pairs(",".join(flags["locations"])),
        ignored=flags["ignored"],
        cache_dir=flags["cache_dir"].absolute(),
        catalog=flags["catalog"] and flags["catalog"].absolute(),
        wheelhouse=flags["wheelhouse"] and flags["wheelhouse"].absolute(),
        environment=dict(os.environ),
        isolation=flags["isolation"],
        runtime_policy=flags["runtime_policy"],
        deadline_s=flags["deadline_s"],
        use_cache=not flags["no_cache"],
        run=run_choices(flags),
    )


def _progress(step: Any) -> None:
    if is_terminal() or step.subject == "run":
        note(f"{step.subject}: {step.text}"[:_WIDEST])
