"""The probe of a module: its replica, its way to the packages, and what it wrote."""

import ast
import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from emulator.checks.evidence import (
    Event,
    Failure,
    Option,
    Parser,
    Probe,
    Source,
    Syntax,
)
from emulator.cluster import Bind, Isolation, Replica
from emulator.runtimes import Runtime
from emulator.shipped import SHIMS
from emulator.tf_config import LOCAL_ADDRESS, MKL, Task, variables

PROGRAM: Final = SHIMS / "probe.py"
STAGED: Final = "/run/cmle/staged"
_WORK: Final = "/tmp/cmle-probe"  # noqa: S108 - of the sandbox's own /tmp
_SHIM: Final = "/run/cmle/probe.py"
_FLAGS: Final = {"absl": ("absl", "app.run", "compat.v1.app", "tf.app"), "click": ("click",)}
_PARSES: Final = ("parse_args", "parse_known_args", "app.run", "parse_intermixed", "click")
MEMORY_BYTES: Final = 8 << 30


class Plan(msgspec.Struct, frozen=True):
    """What the probe is told at its start; its fields are those of data/shims/probe.py."""

    preload: tuple[str, ...]
    go: str
    module: str
    argv: tuple[str, ...]
    deadline_s: float
    flags: tuple[str, ...]
    parses: bool


class Cell(msgspec.Struct, frozen=True):
    """Where a probe works: ``folder`` on this machine is ``seen`` by it; ``pipe`` is its signal."""

    folder: Path
    seen: str
    isolation: Isolation
    staged: Path
    pipe: int

    def tell(self, message: dict[str, Any]) -> None:
        """Let the probe go on, now or when it comes to that; nobody is waited for."""
        os.write(self.pipe, msgspec.json.encode(message) + b"\n")


@contextlib.contextmanager
def cell(folder: Path, staged: Path, isolation: Isolation) -> Iterator[Cell]:
    """A folder with a pipe that keeps what is written until the probe reads it."""
    folder.mkdir(parents=True)
    os.mkfifo(folder / "go")
    pipe = os.open(folder / "go", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    seen = _WORK if isolation == "namespaces" else str(folder)
    try:
        yield Cell(folder, seen, isolation, staged, pipe)
    finally:
        os.close(pipe)


def plan(
    seen: str, module: str, argv: Iterable[str], sources: Iterable[Source], deadline_s: float
) -> Plan:
    """Look through the sources for what the probe has to prepare."""
    texts = [source.text for source in sources]
    return Plan(
        preload=(),
        go=f"{seen}/go",
        module=module,
        argv=tuple(argv),
        deadline_s=deadline_s,
        flags=tuple(
            name
            for name, marks in _FLAGS.items()
            if any(mark in text for mark in marks for text in texts)
        ),
        parses=any(mark in text for mark in _PARSES for text in texts),
    )


def replica(name: str, cell: Cell, plan: Plan, runtime: Runtime) -> Replica:
    """The process: the job's variables, the runtime's Python, no network at all."""
    (cell.folder / "plan.json").write_bytes(msgspec.json.encode(plan))
    enclosed = cell.isolation == "namespaces"
    program = _SHIM if enclosed else str(PROGRAM)
    binds = (
        *runtime.binds,
        Bind(str(PROGRAM), _SHIM),
        Bind(str(cell.folder), _WORK, writable=True),
        Bind(str(cell.staged), STAGED),
    )
    job = {"runtime_version": runtime.version, "python_version": runtime.python_version}
    cluster = {"master": [LOCAL_ADDRESS]}
    env = {
        "HOME": "/root" if enclosed else str(cell.folder),
        "USER": "root",
        "LANG": "C.UTF-8",
        "PATH": f"{runtime.env_dir}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **variables("checked", job, [], Task(), cluster=cluster, project_number="1"),
        **MKL,
        **runtime.variables,
    }
    return Replica(
        name=name,
        task="probe",
        argv=(runtime.python, program, f"{cell.seen}/plan.json", f"{cell.seen}/result.json"),
        env=env,
        work_dir=str(cell.folder),
        binds=binds if enclosed else (),
        isolation=cell.isolation,
        memory_bytes=MEMORY_BYTES if enclosed else None,
    )


def imported(sources: Iterable[Source], known: Iterable[str]) -> tuple[str, ...]:
    """Modules of the environment that the sources import at their top, in order."""
    names: dict[str, None] = {}
    wanted = frozenset(known)
    for source in sources:
        for node in source.tree.body if source.tree else ():
            if isinstance(node, ast.Import):
                names |= dict.fromkeys(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names[node.module] = None
    return tuple(name for name in names if name.partition(".")[0] in wanted)


def read(cell: Cell, paths: dict[str, str], said: str) -> Probe:
    """What the probe wrote; ``paths`` maps the sandbox's folders to the user's files."""
    try:
        written = msgspec.json.decode((cell.folder / "result.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return Probe("killed", said=said)

    def own(path: str) -> str:
        for prefix, instead in paths.items():
            if path.startswith(prefix):
                return instead + path.removeprefix(prefix)
        return path

    events = tuple(Event(it[0], own(it[1]), own(it[2]), it[3]) for it in written["events"])
    syntax = {path: Syntax(line, text) for path, (line, text) in written["syntax"].items()}
    hang = None
    if found := written.get("hang"):
        hang = Event(found["stage"], "", own(found["path"]), found["line"])
    common = (events, syntax, _parser(written.get("parser"), own), said)
    failure = _failure(written.get("failure"), own)
    import_s = float(written.get("import_s", 0.0))
    if failure is not None:
        outcome: Any = "failed"
    elif hang is not None and hang.what == "import":
        outcome = "hung"
    elif written["stage"] == "imported" or written.get("parser"):
        outcome = "ok"
    else:
        outcome = "killed"
    return Probe(outcome, failure, hang, *common, import_s)


def _parser(found: dict[str, Any] | None, own: Any) -> Parser | None:
    if found is None:
        return None
    options = tuple(Option(tuple(it[0]), it[1], it[2]) for it in found.pop("options"))
    found["left"] = tuple(found["left"])
    return Parser(**{**found, "path": own(found["path"]), "options": options})


def _failure(found: dict[str, Any] | None, own: Any) -> Failure | None:
    return Failure(**{**found, "path": own(found["path"])}) if found else None
