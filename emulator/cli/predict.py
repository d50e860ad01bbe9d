"""``cmle predict``: instances in, predictions out, printed as gcloud prints them."""

import json
from pathlib import Path
from typing import IO, Any, Final

import click

from emulator.cli.options import connect, connected, format_option
from emulator.cli.output import show_table
from emulator.errors import OperatorError

MOST: Final = 100
TOO_MANY: Final = (
    f"At most {MOST} instances are read from one file. Use --json-request to send more."
)


@click.command(name="predict")
@click.option("--model", required=True)
@click.option("--version", default="", help="Default: the model's default version.")
@click.option("--json-instances", type=click.File(), help="One JSON instance per line; - is stdin.")
@click.option("--text-instances", type=click.File(), help="One text instance per line.")
@click.option("--json-request", type=click.File(), help='A whole request: {"instances": […]}.')
@click.option("--signature-name", default="", help="Default: the model's own choice.")
@format_option
@connected
def predict(*, model: str, version: str, data_dir: Path, project: str, **flags: Any) -> None:
    """Ask a deployed model for predictions."""
    request = read_request(flags["json_instances"], flags["text_instances"], flags["json_request"])
    if flags["signature_name"]:
        request["signature_name"] = flags["signature_name"]
    with connect(data_dir, project) as client:
        answer = client.predict(model, version, request)
    _print(answer, flags["form"])
    if "error" in answer:
        raise click.exceptions.Exit(1)


def read_request(
    json_lines: IO[str] | None, text_lines: IO[str] | None, whole: IO[str] | None
) -> dict[str, Any]:
    """The request's body from exactly one of the three files."""
    given = [file for file in (json_lines, text_lines, whole) if file is not None]
    if len(given) != 1:
        raise click.UsageError(
            "Exactly one of --json-instances, --text-instances and --json-request must be given."
        )
    lines = given[0].read()
    if whole is not None:
        return _whole(lines)
    rows = lines.rstrip("\n").split("\n") if lines.strip("\n") else []
    if not rows:
        raise OperatorError("No valid instance was found in input file.")
    if any(not row.strip() for row in rows):
        raise OperatorError("Empty line is not allowed in the instances file.")
    if len(rows) > MOST:
        raise OperatorError(TOO_MANY)
    if text_lines is not None:
        return {"instances": rows}
    try:
        return {"instances": [json.loads(row) for row in rows]}
    except ValueError as error:
        raise OperatorError(
            f"Input instances are not in JSON format: {error}. One instance per line is expected."
        ) from error


def _whole(text: str) -> dict[str, Any]:
    try:
        request = json.loads(text)
    except ValueError as error:
        raise OperatorError(f"Invalid JSON request: {error}") from error
    if not isinstance(request, dict) or "instances" not in request:
        raise OperatorError('Invalid JSON request: missing "instances" attribute')
    if not isinstance(request["instances"], list):
        raise OperatorError('Invalid JSON request: "instances" must be a list')
    return request


def _print(answer: dict[str, Any], form: str) -> None:
    predictions = answer.get("predictions")
    if form == "json" or not isinstance(predictions, list):
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    elif predictions and all(isinstance(prediction, dict) for prediction in predictions):
        names = list(predictions[0])
        rows = [[_cell(prediction.get(name)) for name in names] for prediction in predictions]
        show_table([name.upper() for name in names], rows)
    else:
        click.echo(json.dumps(predictions, ensure_ascii=False))


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
