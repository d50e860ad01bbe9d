"""The conventions that Google's JSON APIs share: envelopes, bodies, pages and who may ask."""

import base64
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator import texts
from emulator.errors import ApiError, Internal, InvalidArgument, PermissionDenied
from emulator.identity import HEADER, Identity

log = logging.getLogger(__name__)

JSON: Final = "application/json; charset=UTF-8"
DEFAULT_PAGE: Final = 20
MAX_PAGE: Final = 100
BODY_LIMIT: Final = 10 * 1024 * 1024
_T = TypeVar("_T")


class Answer(JSONResponse):
    """JSON as Google writes it: indented unless ``prettyPrint=false``."""

    media_type = JSON

    def __init__(self, content: Any, *, status: int = 200, pretty: bool = True) -> None:
        self._indent = 2 if pretty else -1
        super().__init__(content, status_code=status)

    def render(self, content: Any) -> bytes:
        text = msgspec.json.encode(content)
        if self._indent < 0:
            return text
        return msgspec.json.format(text, indent=self._indent) + b"\n"


def answer(request: Request, document: Any, *, status: int = 200) -> Answer:
    pretty = request.query_params.get("prettyPrint", "true").lower() not in {"false", "0"}
    return Answer(document, status=status, pretty=pretty)


def refusal(error: ApiError) -> Answer:
    return Answer(error.envelope(), status=error.http)


def identity_of(request: Request) -> Identity:
    """Who asks, as the gateway says; a direct request is the user's."""
    header = request.headers.get(HEADER)
    if header is None:
        return Identity()
    return msgspec.json.decode(header, type=Identity)


async def body_of(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The request's body; InvalidArgument once it grows beyond ``limit`` bytes."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise InvalidArgument(f"Request payload size exceeds the limit: {limit} bytes.")
        parts.append(part)
    return b"".join(parts)


async def document_of(request: Request) -> dict[str, Any]:
    """The body as a JSON object, unchecked; for the hosts that have no schema here."""
    body = await body_of(request)
    try:
        found = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgument(f"Invalid JSON payload received. {error}") from None
    if not isinstance(found, dict):
        raise InvalidArgument("Invalid JSON payload received. Root element must be a message.")
    return found


class Page(msgspec.Struct, frozen=True):
    """What a client asks of a list; ``of`` names the list, so that tokens fit no other."""

    of: str
    size: int = DEFAULT_PAGE
    token: str = ""

    @classmethod
    def asked(cls, of: str, size: int, token: str, maximum: int = MAX_PAGE) -> "Page":
        """Check ``pageSize`` (0: the default; at most ``maximum``) and ``pageToken``."""
        if size < 0:
            raise InvalidArgument.field("page_size", texts.BAD_PAGE_SIZE)
        return cls(of, min(size or min(DEFAULT_PAGE, maximum), maximum), token)

    def cut(self, items: Sequence[_T], keys: Sequence[str]) -> tuple[Sequence[_T], str]:
        """The items of this page, and the next page's token or "".

        The token remembers the last key, so that pages do not shift when items come and go.
        """
        start = self._start(keys) if self.token else 0
        end = start + self.size
        more = end < len(items)
        return items[start:end], self.write([keys[end - 1], str(end)]) if more else ""

    def _start(self, keys: Sequence[str]) -> int:
        key, position = self.read(2)
        if key in keys:
            return keys.index(key) + 1
        return int(position) if position.isdecimal() else 0

    def write(self, place: list[str]) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode([self.of, *place])).decode()

    def read(self, length: int) -> list[str]:
        """The place that the token stands for; InvalidArgument if it is not ours."""
        try:
            raw = base64.b64decode(self.token.encode(), b"-_", validate=True)
            of, *place = msgspec.json.decode(raw, type=list[str])
        except (ValueError, msgspec.MsgspecError):
            of, place = "", []
        if of != self.of or len(place) != length:
            raise InvalidArgument.field("page_token", texts.BAD_PAGE_TOKEN)
        return place


async def on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 the handler is registered for this class
    return refusal(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and verbs, in the envelope that Google's clients read."""
    assert isinstance(error, HTTPException)  # noqa: S101 as above
    reason = HTTPStatus(error.status_code).phrase
    status = "NOT_FOUND" if error.status_code == HTTPStatus.NOT_FOUND else "UNIMPLEMENTED"
    message = f"{reason}: the emulator has no {request.method} {request.url.path}"
    document = {"error": {"code": error.status_code, "message": message, "status": status}}
    found = Answer(document, status=error.status_code)
    found.headers.update(error.headers or {})
    return found


async def on_failure(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return refusal(Internal("Internal error encountered."))


class SameOrigin:
    """Refuse what a web page of another origin sends: a browser is no client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_foreign(dict(scope["headers"])):
            await refusal(PermissionDenied(texts.CROSS_ORIGIN))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_foreign(headers: dict[bytes, bytes]) -> bool:
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[2] != headers.get(b"host", b"")
