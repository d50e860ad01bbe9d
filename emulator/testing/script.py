"""The script of a service that trains nothing: what its jobs, versions and predictions do."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from emulator.errors import ApiError
from emulator.states import JobState
from emulator.testing.faults import Fault
from emulator.testing.outcomes import JobOutcome, fails, succeeds
from emulator.testing.predictions import Predict

DEFAULT_PROJECT: Final = "cmle-project"
POLL_S: Final = 10.0
OPERATION_POLLS: Final = 3


class FakeService(msgspec.Struct, frozen=True, kw_only=True):
    """A plain value: every ``intercept`` of it begins anew. See ``fake_service``."""

    project: str
    jobs: Mapping[str, JobOutcome]
    predictions: Mapping[str, Predict]
    version_errors: Mapping[str, str]
    faults: Mapping[str, Fault | ApiError]
    buckets: tuple[str, ...]
    operation_s: float
    poll_s: float
    check_uploads: bool
    start: float | None


def fake_service(  # noqa: PLR0913 each a keyword with a default
    *,
    job_outcomes: Mapping[str, JobOutcome | str] | None = None,
    predictions: Predict | Mapping[str, Predict] | None = None,
    version_errors: Mapping[str, str] | None = None,
    faults: Mapping[str, Fault | ApiError] | None = None,
    buckets: Sequence[str] = (),
    project: str = DEFAULT_PROJECT,
    operation_polls: int = OPERATION_POLLS,
    poll_s: float = POLL_S,
    check_uploads: bool = False,
    start: float | None = None,
) -> FakeService:
    """A service for ``intercept``. Patterns are those of ``fnmatch``; the first that fits counts.

    ``job_outcomes``: by pattern of the job's id, an outcome (``succeeds()``, ``fails()``,
    ``states()``, ``refuses()``) or ``"SUCCEEDED"`` or ``"FAILED"``; other jobs succeed.
    ``predictions``: a function from instances to predictions, or one a pattern of ``model`` or
    ``model/version``. ``version_errors``: by pattern of ``model/version``, why its creation fails.
    ``faults``: by pattern of ``METHOD path``, an error in place of an answer, once unless it says
    otherwise. ``buckets`` are there from the start.

    Each look at a job or an operation takes ``poll_s`` virtual seconds, and creating or deleting
    a version ``operation_polls`` such looks. ``check_uploads`` refuses jobs whose packages are
    not in storage. ``start`` is when it begins, in seconds since the epoch; now, if not given.
    """
    if predictions is None or isinstance(predictions, Mapping):
        by_pattern = dict(predictions or {})
    else:
        by_pattern = {"*": predictions}
    return FakeService(
        project=project,
        jobs={pattern: _outcome(value) for pattern, value in (job_outcomes or {}).items()},
        predictions=by_pattern,
        version_errors=dict(version_errors or {}),
        faults=dict(faults or {}),
        buckets=tuple(buckets),
        operation_s=operation_polls * poll_s,
        poll_s=poll_s,
        check_uploads=check_uploads,
        start=start,
    )


def _outcome(value: JobOutcome | str) -> JobOutcome:
    if isinstance(value, JobOutcome):
        return value
    if value == JobState.SUCCEEDED:
        return succeeds()
    if value == JobState.FAILED:
        return fails()
    raise ValueError(
        f"{value!r} is no outcome of a job: say SUCCEEDED, FAILED, or what succeeds(), fails(), "
        "states() or refuses() answers."
    )
