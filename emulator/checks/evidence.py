"""What is known about a package before any rule looks at it: plain values, gathered once."""

import ast
from functools import cached_property
from typing import Literal

import msgspec

from emulator.errors import Violation
from emulator.exports.evidence import Evidence as Export
from emulator.resources import TrainingInput
from emulator.states import JobState


class Syntax(msgspec.Struct, frozen=True):
    """Why a file does not parse with the runtime's grammar."""

    line: int
    message: str


class Source(msgspec.Struct, frozen=True):
    """A Python file: ``path`` as the user names it, ``inside`` from the package's root on."""

    path: str
    inside: str
    text: str
    module: str
    tree: ast.Module | None = None
    syntax: Syntax | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The job that would be submitted; ``path`` and ``text`` are the configuration file's.

    ``lines`` tells where a field stands, by its dotted camelCase path; ``unquoted`` holds the
    versions that YAML read as numbers, as they are written.
    """

    training: TrainingInput
    given: bool = False
    path: str = ""
    text: str = ""
    problem: Syntax | None = None
    violations: tuple[Violation, ...] = ()
    lines: dict[str, int] = {}
    unquoted: dict[str, str] = {}
    bucket_locations: dict[str, str] = {}

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        spec = self.training.hyperparameters
        return tuple(param.parameter_name for param in spec.params) if spec else ()

    def line(self, field: str) -> int:
        """Where a field stands; ``field`` is its last name, in camelCase."""
        found = (line for path, line in self.lines.items() if path.rpartition(".")[2] == field)
        return next(found, 0)


class Member(msgspec.Struct, frozen=True):
    name: str
    size: int


class Archive(msgspec.Struct, frozen=True):
    """What would be uploaded; ``refusal`` says why it must not be unpacked."""

    name: str
    members: tuple[Member, ...] = ()
    texts: dict[str, str] = {}
    refusal: str = ""


class Build(msgspec.Struct, frozen=True):
    """How the archives came about: ``generated`` means by the setup.py that gcloud writes."""

    generated: bool = False
    failure: str = ""
    hung: bool = False


class Installation(msgspec.Struct, frozen=True):
    """``files`` lie below the user's site-packages; without ``done`` they are only expected."""

    done: bool = False
    failure: str = ""
    log: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    distributions: dict[str, str] = {}


class RuntimeFacts(msgspec.Struct, frozen=True):
    """What the runtime's environment has: importable names, and distributions with versions."""

    version: str
    python: tuple[int, int]
    tensorflow: str
    modules: frozenset[str] = frozenset()
    distributions: dict[str, str] = {}

    @property
    def tensorflow_major(self) -> int:
        return int(self.tensorflow.partition(".")[0])


class Event(msgspec.Struct, frozen=True):
    """Something that first-party code did while it was imported."""

    what: str
    target: str
    path: str = ""
    line: int = 0


class Failure(msgspec.Struct, frozen=True):
    """The exception that ended an import, and the deepest first-party line of its traceback."""

    kind: str
    message: str
    path: str = ""
    line: int = 0
    missing: str = ""
    traceback: str = ""


class Option(msgspec.Struct, frozen=True):
    names: tuple[str, ...]
    dest: str = ""
    required: bool = False


class Parser(msgspec.Struct, frozen=True, kw_only=True):
    """The argument parser at the moment that it was to read the job's arguments.

    ``message`` is what it said, with ``exit`` its status; ``left`` are arguments that a
    tolerant one did not know. Both come from a parse in which nothing is required,
    ``required_missing`` from one as it is.
    """

    kind: str
    path: str = ""
    line: int = 0
    strict: bool = True
    prefixes: bool = True
    options: tuple[Option, ...] = ()
    exit: int | None = None
    message: str = ""
    left: tuple[str, ...] = ()
    required_missing: str = ""


class Probe(msgspec.Struct, frozen=True):
    """What the module did when it was imported in the runtime's own Python."""

    outcome: Literal["ok", "failed", "hung", "killed", "skipped"]
    failure: Failure | None = None
    hang: Event | None = None
    events: tuple[Event, ...] = ()
    syntax: dict[str, Syntax] = {}
    parser: Parser | None = None
    said: str = ""
    import_s: float = 0.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A few steps of the job, really run, with ``args``.

    ``cut_s`` is the deadline in seconds, if that came before the end. ``written`` has the sizes
    of the objects that it left, by URI, the newest last; ``absent`` are the gs:// names among
    its arguments that lead to nothing, even afterwards. ``model`` is the folder of the newest
    model among what it wrote, ``export`` what is known of that where the service could serve
    it, and ``wants_model`` says that there is something to ask it. ``differences`` are the
    emulator's own words on what the service would have given the job.
    """

    state: JobState
    args: tuple[str, ...] = ()
    job_dir: str = ""
    error_message: str = ""
    failure: Failure | None = None
    last_lines: tuple[str, ...] = ()
    cut_s: float | None = None
    written: dict[str, int] = {}
    absent: tuple[str, ...] = ()
    wants_model: bool = False
    model: str = ""
    export: Export | None = None
    differences: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        return self.cut_s is None and self.state is JobState.SUCCEEDED

    @property
    def has_failed(self) -> bool:
        return self.cut_s is None and self.state is not JobState.SUCCEEDED


class Evidence(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything that rules may look at.

    ``root`` is the folder whose setup.py builds the package, as the user names it;
    ``data_files`` are the other files of the package, by their path in the root, ``beside``
    those directly in the root; ``texts`` has what such files say, where a rule wants it. Without
    ``run`` the job was not run.
    """

    root: str
    package: str
    request: Request
    sources: tuple[Source, ...] = ()
    data_files: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    texts: dict[str, str] = {}
    not_a_package: str = ""
    build: Build = Build()
    archives: tuple[Archive, ...] = ()
    installation: Installation = Installation()
    runtime: RuntimeFacts
    probe: Probe | None = None
    run: Run | None = None
    not_checked: tuple[str, ...] = ()

    @cached_property
    def packed(self) -> tuple[Source, ...]:
        """The sources that the service would have, setup.py and tests left out."""
        return tuple(source for source in self.sources if source.module in self.modules)

    @cached_property
    def modules(self) -> frozenset[str]:
        """Names of the modules and packages that are there after the installation."""
        found = set()
        for name in self.installation.files:
            if name.endswith(".py"):
                parts = name.removesuffix(".py").removesuffix("/__init__").split("/")
                found |= {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
        return frozenset(found)

    @cached_property
    def first_party(self) -> frozenset[str]:
        """Top-level names that the user's own files have, packed or not."""
        return frozenset(source.module.partition(".")[0] for source in self.sources) - {"setup"}
