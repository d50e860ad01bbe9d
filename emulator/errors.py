"""One tree of errors: what the API answers with, and what a person at the terminal reads.

CmleError
├── ApiError            a google.rpc status with its HTTP code
│   ├── InvalidArgument      400        ├── PermissionDenied   403
│   ├── FailedPrecondition   400        ├── NotFound           404
│   ├── Unauthenticated      401        ├── AlreadyExists      409
│   ├── Aborted              409        ├── ResourceExhausted  429
│   ├── Cancelled            499        ├── Internal           500
│   ├── Unimplemented        501        └── Unavailable        503
└── OperatorError       a sentence for the person who runs the emulator, and an exit code
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Self

import msgspec

BAD_REQUEST_TYPE: Final = "type.googleapis.com/google.rpc.BadRequest"


class CmleError(Exception):
    """The root of everything the emulator raises on purpose."""


class Violation(msgspec.Struct, frozen=True):
    """One broken rule of a request: ``field`` in snake_case, relative to the message."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"Field: {self.field} Error: {self.description}"


class ApiError(CmleError):
    """An answer of Google's error envelope (service reference §11.1)."""

    http: ClassVar[int] = 500
    status: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)

    @classmethod
    def of(cls, *violations: Violation) -> Self:
        """All broken rules of one request in one answer."""
        return cls(
            " ".join(map(str, violations)),
            [{"@type": BAD_REQUEST_TYPE, "fieldViolations": msgspec.to_builtins(violations)}],
        )

    @classmethod
    def field(cls, field: str, description: str) -> Self:
        """One broken rule: ``Field: <field> Error: <description>``."""
        return cls.of(Violation(field, description))

    def envelope(self) -> dict[str, Any]:
        """``{"error": {code, message, status[, details]}}``."""
        error: dict[str, Any] = {
            "code": self.http,
            "message": self.message,
            "status": self.status,
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}


class InvalidArgument(ApiError):
    http, status = 400, "INVALID_ARGUMENT"


class FailedPrecondition(ApiError):
    http, status = 400, "FAILED_PRECONDITION"


class Unauthenticated(ApiError):
    http, status = 401, "UNAUTHENTICATED"


class PermissionDenied(ApiError):
    http, status = 403, "PERMISSION_DENIED"


class NotFound(ApiError):
    http, status = 404, "NOT_FOUND"


class AlreadyExists(ApiError):
    http, status = 409, "ALREADY_EXISTS"


class Aborted(ApiError):
    http, status = 409, "ABORTED"


class ResourceExhausted(ApiError):
    http, status = 429, "RESOURCE_EXHAUSTED"


class Cancelled(ApiError):
    http, status = 499, "CANCELLED"


class Internal(ApiError):
    http, status = 500, "INTERNAL"


class Unimplemented(ApiError):
    http, status = 501, "UNIMPLEMENTED"


class Unavailable(ApiError):
    http, status = 503, "UNAVAILABLE"


class OperatorError(CmleError):
    """What happened, why, and what to do next, in one sentence or two; ends the command."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
