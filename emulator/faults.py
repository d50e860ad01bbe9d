"""Faults that tests inject, as values: one kind a class, its fields checked where they come in.

A fault strikes one project, and there what its patterns (shell-style, ``*`` and ``?``) name;
``times`` is how often at most, None until it is removed. What each kind does, and where, stands
in its docstring; who acts on it is the gateway (requests) or an attempt (replicas).
"""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from emulator.errors import InvalidArgument
from emulator.projects import number_of

MONTH_S: Final = 30 * 86_400

Count = Annotated[int, Meta(ge=1, le=1 << 62)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
Seconds = Annotated[float, Meta(ge=0, le=MONTH_S)]
Share = Annotated[float, Meta(gt=0, le=1)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Replica = Annotated[str, Meta(pattern=r"^(master|chief|worker|ps|evaluator)-[0-9]{1,4}$")]


class _Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    project: Text
    times: Count | None = None

    def is_of(self, project: str) -> bool:
        """Whether it strikes in this project, named by its id or its number."""
        return project in {self.project, str(number_of(self.project))}


class Preempt(_Fault, tag_field="kind", tag="preempt", frozen=True, kw_only=True):
    """The machine of a replica goes away: SIGTERM, after ``grace_s`` SIGKILL.

    It happens once in a life of the replica: at the first line that tells a training step of
    ``at_step`` or more, at one that the regular expression ``at_text`` is found in, or
    ``after_s`` seconds after it began. The service then starts it again, as ever.
    """

    job: Text = "*"
    replica: Replica = "master-0"
    at_step: Annotated[int, Meta(ge=0, le=1 << 62)] | None = None
    at_text: Text | None = None
    after_s: Seconds | None = None
    grace_s: Seconds = 30.0
    times: Count | None = 1

    def __post_init__(self) -> None:
        if sum(it is not None for it in (self.at_step, self.at_text, self.after_s)) != 1:
            raise ValueError("Exactly one of at_step, at_text and after_s says when.")
        try:
            re.compile(self.at_text or "")
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"at_text is not a regular expression: {error}") from None

    @property
    def label(self) -> str:
        """The replica as logs name it; a chief is the master there."""
        role, _, index = self.replica.partition("-")
        return f"{'master' if role == 'chief' else role}-replica-{int(index)}"


class _OfStorage(_Fault, frozen=True, kw_only=True):
    """Which requests: of whom ("" everybody, else replicas of the jobs), for what, how many."""

    bucket: Text = "*"
    object: Text = "*"
    methods: tuple[Method, ...] = ()
    job: str = ""
    share: Share = 1.0
    seed: int = 0


class StorageUnavailable(
    _OfStorage, tag_field="kind", tag="storage-unavailable", frozen=True, kw_only=True
):
    """Cloud Storage answers with an error in place of doing what it was asked."""

    status: Literal[408, 429, 500, 502, 503, 504] = 503


class SlowStorage(_OfStorage, tag_field="kind", tag="slow-storage", frozen=True, kw_only=True):
    """Cloud Storage begins late, and takes and gives content at a limited rate."""

    delay_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    bytes_per_s: Count | None = None

    def __post_init__(self) -> None:
        if not self.delay_s and self.bytes_per_s is None:
            raise ValueError("One of delay_s and bytes_per_s says how slow.")


class FullDisk(_Fault, tag_field="kind", tag="full-disk", frozen=True, kw_only=True):
    """The disk of a replica has room for ``free_bytes``: a write beyond fails with ENOSPC.

    It strikes replicas that start. In a container its working directory and /tmp have so much
    each. With the isolation level "none" nobody can make such a disk: there a replica that wrote
    more is ended, as one that outgrows its boot disk.
    """

    free_bytes: Count
    job: Text = "*"
    replica: Text = "*"


class Quota(_Fault, tag_field="kind", tag="quota", frozen=True, kw_only=True):
    """429 RESOURCE_EXHAUSTED for new jobs, or for online predictions."""

    of: Literal["jobs", "predictions"] = "jobs"


class ExpiredTokens(_Fault, tag_field="kind", tag="expired-tokens", frozen=True, kw_only=True):
    """401 UNAUTHENTICATED for tokens that were given out before.

    Whoever asks the metadata server or oauth2 again gets one that is good. Requests without a
    token are let through.
    """

    job: str = ""


Fault = Preempt | StorageUnavailable | SlowStorage | FullDisk | Quota | ExpiredTokens
OfRequests = StorageUnavailable | SlowStorage | ExpiredTokens  # the gateway's


class Placed(msgspec.Struct, frozen=True):
    """A fault that is set; ``struck`` is how often it has happened."""

    id: str
    fault: Fault
    struck: int = 0

    @property
    def is_spent(self) -> bool:
        return self.fault.times is not None and self.struck >= self.fault.times

    def document(self) -> dict[str, Any]:
        """One flat JSON object."""
        return {"id": self.id, "struck": self.struck, **msgspec.to_builtins(self.fault)}


def parse(document: Any) -> Fault:
    """A fault from a JSON object; InvalidArgument says what is wrong with it."""
    try:
        fault: Fault = msgspec.convert(document, Fault)
    except (msgspec.ValidationError, RecursionError) as error:
        why = str(error).rstrip(".")
        raise InvalidArgument(f"This is no fault: {why}. {_hint(document)}") from None
    return fault


def kind_of(fault: Fault) -> str:
    """``preempt``: what it is called."""
    return str(type(fault).__struct_config__.tag)


def matches(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern)


def _hint(document: Any) -> str:
    kind = document.get("kind") if isinstance(document, dict) else None
    known = {str(it.__struct_config__.tag): it for it in KINDS}
    if not isinstance(kind, str) or kind not in known:
        return f"Its kind is one of: {', '.join(known)}."
    return f"The fields of {kind}: {', '.join(sorted(known[kind].__struct_fields__))}."


KINDS: Final = (Preempt, StorageUnavailable, SlowStorage, FullDisk, Quota, ExpiredTokens)
