"""What is known about an export before any rule looks at it: plain values, gathered once."""

from functools import cached_property
from typing import Any, Literal

import msgspec

from emulator.comparison import Tolerance
from emulator.golden import Golden
from emulator.savedmodel import SERVE, MetaGraph, SavedModel, Signature
from emulator.skew import Recorded

Framework = Literal["tensorflow", "scikit-learn", "xgboost", ""]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is to be served: a runtime version with what it has, and a machine type.

    ``assumed`` says that nobody named the version and it was chosen by the model.
    """

    version: str
    tensorflow: str = ""
    python: str = ""
    scikit_learn: str = ""
    xgboost: str = ""
    machine_type: str = ""
    assumed: bool = False


class Asset(msgspec.Struct, frozen=True):
    """A file in ``assets/`` and the node that is fed its path."""

    file: str
    node: str


class Attribute(msgspec.Struct, frozen=True):
    """An attribute of an operation that the runtime's TensorFlow does not know."""

    op: str
    name: str


class GraphFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the served graph says beyond its signatures.

    ``functions`` are names that TensorFlow 1 uses like operations, ``reachable`` the operations
    that a request, or the loading, runs, ``text_files`` paths of vocabularies that stand in the
    graph itself. All but ``assets`` are read only where
    an operation of the graph gives a reason to.
    """

    assets: tuple[Asset, ...] = ()
    functions: frozenset[str] = frozenset()
    reachable: frozenset[str] = frozenset()
    text_files: tuple[str, ...] = ()
    unknown_attributes: tuple[Attribute, ...] = ()


class Variable(msgspec.Struct, frozen=True):
    """Where a variable's values are: a stretch of a shard."""

    name: str
    shard: int
    end: int


class Checkpoint(msgspec.Struct, frozen=True):
    """What ``variables.index`` says; ``problem`` is why it cannot be read."""

    shards: int = 0
    variables: tuple[Variable, ...] = ()
    problem: str = ""


class Pickle(msgspec.Struct, frozen=True, kw_only=True):
    """What a pickle would do, from its opcodes; it was not executed.

    ``kind`` is the class of the outermost object, ``module.name``; ``names`` is everything that
    it imports, in order; ``calls`` those that it calls. ``versions`` holds the library versions
    that it records.
    """

    protocol: int = 0
    kind: str = ""
    names: tuple[str, ...] = ()
    calls: frozenset[str] = frozenset()
    versions: dict[str, str] = {}
    compression: str = ""
    problem: str = ""


class Operations(msgspec.Struct, frozen=True):
    """The attributes of each operation of one TensorFlow, and the versions of the others."""

    tensorflow: str
    attributes: dict[str, frozenset[str]]
    elsewhere: dict[str, str] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what came back: HTTP status, document, and how long it took."""

    instances: tuple[Any, ...]
    status: int
    document: Any
    seconds: float = 0.0

    @property
    def predictions(self) -> list[Any] | None:
        found = self.document.get("predictions") if isinstance(self.document, dict) else None
        return found if isinstance(found, list) else None

    @property
    def error(self) -> str:
        """The service's text, if it is a refusal."""
        found = self.document.get("error") if isinstance(self.document, dict) else None
        if isinstance(found, dict):
            found = found.get("message")
        return found if isinstance(found, str) else ""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the user expects of predictions, beyond what every model owes.

    ``keys`` are outputs that repeat the input of the same name.
    """

    keys: tuple[str, ...] = ()
    latency_s: float | None = None
    golden: Golden | None = None
    recorded: tuple[Recorded, ...] = ()
    schema: Any = True
    tolerance: Tolerance = Tolerance()


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What the model's server did. ``failure`` is the text of the failed operation.

    ``singles`` are the instances one by one, ``batch`` all in one request; ``base64`` the
    first ones with their texts as b64, ``wrong`` one that the signature does not allow,
    ``golden`` and ``replayed`` the instances of the golden file and of the recording.
    """

    failure: str = ""
    signature: Signature | None = None
    singles: tuple[Answer, ...] = ()
    batch: Answer | None = None
    base64: tuple[Answer, ...] = ()
    wrong: Answer | None = None
    golden: Answer | None = None
    replayed: tuple[Answer, ...] = ()
    wishes: Wishes = Wishes()


class Evidence(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything that rules may look at. ``place`` is the folder as the user names it."""

    place: str
    target: Target
    files: dict[str, int] = {}
    framework: Framework = ""
    model: SavedModel | None = None
    unreadable: str = ""
    graph: GraphFacts = GraphFacts()
    checkpoint: Checkpoint | None = None
    keras_code: tuple[str, ...] = ()
    pickles: dict[str, Pickle] = {}
    boosters: dict[str, str] = {}
    operations: Operations | None = None
    serving: Serving | None = None
    not_checked: tuple[str, ...] = ()

    @cached_property
    def served(self) -> MetaGraph | None:
        """The graph that would be served, if there is exactly one."""
        graphs = self.model.tagged(SERVE) if self.model else ()
        return graphs[0] if len(graphs) == 1 else None

    @cached_property
    def signatures(self) -> dict[str, Signature]:
        """What can be asked of the graph that would be served."""
        return self.served.callable_signatures if self.served else {}

    @cached_property
    def ops(self) -> frozenset[str]:
        return frozenset(self.served.ops if self.served else ())

    def path(self, name: str = "") -> str:
        """A file of the folder, as the user would name it."""
        return f"{self.place.rstrip('/')}/{name}" if name else self.place
