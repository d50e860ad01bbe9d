"""The command line: ``cmle``, in the grammar of ``gcloud ai-platform``."""

import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from emulator.cli.exits import document
from emulator.errors import CmleError, OperatorError

COMMANDS: Final = {
    "serve": "Run the emulator in the foreground.",
    "status": "Say whether an emulator runs here, and where.",
    "demo": "Train, export, deploy and predict, once, from start to finish.",
    "new": "Copy a trainer to start from.",
    "run": "Run a command with Google's hosts in place.",
    "shell": "Open a shell with Google's hosts in place.",
    "env": "Print variables that lead Google's clients to the emulator.",
    "check": "Say whether a package would work in the cloud, before it is submitted.",
    "check-model": "Say whether the service would serve an export, before it is deployed.",
    "doctor": "Say what this machine can and cannot do.",
    "clock": "Show and advance the time of a project.",
    "jobs": "Submit, list, describe, cancel and follow jobs.",
    "models": "Create, list, describe and delete models.",
    "versions": "Create, list, describe and delete versions of a model.",
    "predict": "Ask a deployed model for predictions.",
    "faults": "Inject faults: preemptions, storage that fails, full disks, quotas, tokens.",
    "storage": "List, copy and remove objects.",
    "seed": "Fill a bucket from a local folder.",
    "runtimes": "List and build the environments that trainers run in.",
}
HIDDEN: Final = ("gateway",)
EPILOG: Final = """\b
Exit codes:
  0    done; a job that was waited for SUCCEEDED
  1    refused or failed; the reason is on standard error
  2    the command line is wrong
  3    `check` and `check-model`: warnings, with --strict
  130  interrupted
`run` and `shell` answer with the exit code of what they ran.
The help of every command has its own table.

\b
--json prints answers as JSON on standard output; what is for people goes to standard error.
The data directory is --data-dir, else $CMLE_DATA_DIR, else ~/.local/share/cmle/default.
NO_COLOR=1 switches colours off.
"""
INTERRUPTED: Final = 130
OF_THE_MACHINE: Final = frozenset(  # what a person can mend, and no fault of the program
    {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS}
)


class LazyGroup(click.Group):
    """Knows its commands by name and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"emulator.cli.{name}")
        command: click.Command = getattr(module, name)
        document(command, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context, _: click.Parameter, wanted: Any) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"cmle {version('cmle')}")
        ctx.exit()


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and leave.",
)
def cmle() -> None:
    """Cloud ML Engine on one machine, offline."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code; every refusal becomes one sentence."""
    try:
        code = cmle.main(arguments, prog_name="cmle", standalone_mode=False)
    except click.exceptions.Abort:
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except OperatorError as error:
        _report(error)
        code = error.exit_code
    except CmleError as error:
        _report(error)
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; nothing more to say
        code = 1
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        _report(
            OperatorError(
                f"{error.filename or 'A file'}: {error.strerror}. The emulator's own folders "
                "are chosen with --data-dir and --cache-dir; `cmle doctor` looks at them."
            )
        )
        code = 1
    gc.freeze()  # the interpreter's end looks at nothing again: 40 ms of a short command
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: CmleError) -> None:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    click.secho("ERROR: ", nl=False, err=True, fg="red" if coloured else None)
    click.echo(str(error), err=True)
    details = getattr(error, "details", None)
    if details:
        from emulator.cli.output import as_yaml

        click.echo(as_yaml(details), err=True)
