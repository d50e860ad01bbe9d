"""The job of a check: the configuration file, and what was given beside it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from emulator import catalog, payload, resources, validation
from emulator.catalog import Catalog
from emulator.checks.evidence import Request, Syntax
from emulator.errors import InvalidArgument, Violation
from emulator.resources import Job, TrainingInput

VERSIONS: Final = ("runtimeVersion", "pythonVersion")
DEFAULTS: Final = {"region": "us-central1", "runtimeVersion": "2.11", "pythonVersion": "3.7"}
JOB_DIR: Final = "gs://bucket/job"  # where none is named
_JOB_ID: Final = "checked"
_PACKAGE: Final = "gs://bucket/package.tar.gz"
_JOB: Final = "GoogleCloudMlV1__Job"


def read(
    config: Path | None, shown: str, given: Mapping[str, Any], tables: Catalog | None = None
) -> Request:
    """The job that gcloud would send: the file's, with what was given over it.

    Nothing is refused here: what is wrong with it becomes part of the request. ``given``
    has fields of ``trainingInput``; ``tables`` may know more machines than the service's.
    """
    known = tables or catalog.load()
    overrides = {name: value for name, value in given.items() if value}
    if config is None:
        return _request({"trainingInput": {**DEFAULTS, **overrides}}, known, given=bool(overrides))
    try:
        text = config.read_text()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
        lines, unquoted = dict(_lines(node, "")), dict(_unquoted(node))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = Syntax(mark.line + 1 if mark else 0, " ".join(str(error).split()))
        return Request(training=_training({}, {}), path=shown, problem=problem, given=True)
    if not isinstance(document, dict):
        problem = Syntax(1, "it does not hold a mapping")
        return Request(
            training=_training({}, {}), path=shown, text=text, problem=problem, given=True
        )
    training = document.get("trainingInput")
    if isinstance(training, dict) or training is None:
        document = {**document, "trainingInput": {**(training or {}), **overrides}}
    made = _request(document, known, given=True)
    return msgspec.structs.replace(made, path=shown, text=text, lines=lines, unquoted=unquoted)


def _request(document: Mapping[str, Any], known: Catalog, *, given: bool) -> Request:
    """Check the document as the service would, every violation at once."""
    versions = (
        {
            name: str(value)
            for name in VERSIONS
            if (value := (document.get("trainingInput") or {}).get(name)) is not None
        }
        if isinstance(document.get("trainingInput"), dict)
        else {}
    )
    filled = {"jobId": _JOB_ID, **document}
    if isinstance(filled["trainingInput"], dict):
        filled["trainingInput"] = {
            **DEFAULTS,
            "packageUris": [_PACKAGE],
            **filled["trainingInput"],
            **versions,
        }
    try:
        body = payload.read(_JOB, msgspec.json.encode(filled), root="job")
    except (InvalidArgument, TypeError, ValueError, RecursionError) as error:
        return Request(
            training=_training(document, versions), given=given, violations=_payload(error)
        )
    job = resources.decode(body, Job)
    training = job.training_input or TrainingInput()
    named = msgspec.structs.replace(training, python_module=training.python_module or "trainer")
    checked = msgspec.structs.replace(job, training_input=named)
    found = tuple(validation.job_violations(checked, known))
    return Request(training=training, given=given, violations=found)


def _training(document: Mapping[str, Any], versions: Mapping[str, str]) -> TrainingInput:
    """What can be made out of a request that the service refuses."""
    training = document.get("trainingInput")
    known = training if isinstance(training, dict) else {}
    texts = {
        name: str(value)
        for name, value in {**DEFAULTS, **known, **versions}.items()
        if name in {"region", "runtimeVersion", "pythonVersion", "pythonModule", "jobDir"}
    }
    args = known.get("args")
    listed = tuple(map(str, args)) if isinstance(args, list) else ()
    return resources.decode({**texts, "args": listed}, TrainingInput)


def _payload(error: Exception) -> tuple[Violation, ...]:
    if not isinstance(error, InvalidArgument):
        return (Violation("job", str(error)),)
    rows = [row for detail in error.details for row in detail.get("fieldViolations", ())]
    return tuple(Violation(row.get("field", ""), row["description"]) for row in rows) or (
        Violation("job", error.message),
    )


def _lines(node: yaml.Node | None, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{path}.{key.value}" if path else str(key.value)
            yield name, key.start_mark.line + 1
            yield from _lines(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _lines(item, path)


def _unquoted(node: yaml.Node | None) -> Iterator[tuple[str, str]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value in VERSIONS and value.tag.endswith((":float", ":int")):
            yield str(key.value), str(value.value)
        yield from _unquoted(value)


def camel(field: str) -> str:
    """``training_input.master_type`` → ``masterType``: how the file spells the last name."""
    head, *rest = field.rpartition(".")[2].split("_")
    return head + "".join(part.capitalize() for part in rest)
