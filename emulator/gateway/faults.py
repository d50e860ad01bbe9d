"""Faults that requests meet on their way: refused, slowed down, or let through.

They strike users and the replicas of jobs, never the emulator's own work; and those of storage
not the emulator's own small client, so that a test's preparations are not disturbed.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator import texts
from emulator.errors import Unauthenticated
from emulator.faults import (
    ExpiredTokens,
    OfRequests,
    Placed,
    SlowStorage,
    StorageUnavailable,
    matches,
)
from emulator.gateway import heads
from emulator.gateway.exchanges import PIECE
from emulator.gateway.routes import Place, Refusal
from emulator.gateway.scopes import Request
from emulator.identity import Identity, Kind
from emulator.storage import refusals
from emulator.storage.addresses import Address, address

OWN_CLIENT: Final = b"cmle"
_TURNS_PER_S: Final = 10  # of a body at a limited rate
_PROJECT: Final = re.compile(r"/v1/projects/([^/:]+)")
_JSON: Final = (b"content-type", b"application/json; charset=UTF-8")
_XML: Final = (b"content-type", b"application/xml; charset=UTF-8")
_CHALLENGE: Final = (
    b"www-authenticate",
    b'Bearer realm="https://accounts.google.com/", error="invalid_token"',
)
_OF_STORAGE: Final[Mapping[int, tuple[str, str]]] = {
    408: ("requestTimeout", texts.STORAGE_TIMEOUT),
    429: ("rateLimitExceeded", texts.STORAGE_TOO_MANY),
}
_INVALID: Final = "Invalid Credentials"  # literally, to a token that has expired
_BACKEND: Final = ("backendError", texts.STORAGE_UNAVAILABLE)


class _Asked(msgspec.Struct, frozen=True):
    """A request as faults look at it. ``job`` is that of a replica, ``address`` storage's."""

    project: str
    job: str
    method: str
    token: str
    address: Address | None = None
    is_own: bool = False


class _Live:
    """A placed fault, and what it has done in this process."""

    def __init__(self, fault_id: str, fault: OfRequests, struck: int) -> None:
        self.id = fault_id
        self.fault = fault
        self.struck = struck
        seed = 0 if isinstance(fault, ExpiredTokens) else fault.seed
        self._random = random.Random(seed)  # noqa: S311 it is to be repeatable

    def strikes(self, asked: _Asked) -> bool:
        """Whether it happens to this request; counted."""
        fault = self.fault
        if fault.times is not None and self.struck >= fault.times:
            return False
        of_job = not fault.job or (bool(asked.job) and matches(fault.job, asked.job))
        struck = fault.is_of(asked.project) and of_job and self._befalls(fault, asked)
        self.struck += struck
        return struck

    def _befalls(self, fault: OfRequests, asked: _Asked) -> bool:
        if isinstance(fault, ExpiredTokens):
            return bool(asked.token) and self.id not in asked.token.split(".")
        where = asked.address
        return (
            where is not None
            and not asked.is_own
            and (not fault.methods or asked.method in fault.methods)
            and matches(fault.bucket, where.bucket)
            and matches(fault.object, where.object)
            and self._random.random() < fault.share
        )


class Faults:
    """``project_of`` answers the project of a bucket, empty for one that is not there."""

    def __init__(self, project_of: Callable[[str], str] = lambda _: "") -> None:
        self._project_of = project_of
        self._live: list[_Live] = []

    def __bool__(self) -> bool:
        return bool(self._live)

    def place(self, faults: Sequence[Placed]) -> None:
        """Have these faults; what is known of those that stay is kept."""
        known = {live.id: live for live in self._live}
        self._live = [
            known.get(placed.id) or _Live(placed.id, placed.fault, placed.struck)
            for placed in faults
            if isinstance(placed.fault, OfRequests)
        ]

    def struck(self) -> dict[str, int]:
        """How often each has happened, by its id."""
        return {live.id: live.struck for live in self._live}

    def before(self, app: ASGIApp, place: Place, request: Request) -> ASGIApp:
        """What answers in the application's place: a fault, or itself, perhaps slowly."""
        asked = self._asked(place, request)
        if asked is None:
            return app
        for live in self._live:
            if not live.strikes(asked):
                continue
            match live.fault:
                case SlowStorage(delay_s=delay_s, bytes_per_s=bytes_per_s):
                    app = slowed(app, delay_s, bytes_per_s)
                case StorageUnavailable(status=status):
                    return _unavailable(live.id, status, asked.address)
                case ExpiredTokens():
                    return _expired(live.id, asked.address)
        return app

    def _asked(self, place: Place, request: Request) -> _Asked | None:
        scope = request.scope
        identity: Identity = scope["identity"]
        if identity.kind not in {Kind.USER, Kind.JOB}:
            return None
        where = address(request.asked.host, request.asked.path) if place is Place.STORAGE else None
        headers = dict(scope["headers"])
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        return _Asked(
            project=identity.project or self._project(where, request),
            job=identity.name if identity.kind == Kind.JOB else "",
            method=scope["method"],
            token=token.strip() if scheme.lower() == "bearer" else "",
            address=where,
            is_own=headers.get(b"user-agent") == OWN_CLIENT,
        )

    def _project(self, where: Address | None, request: Request) -> str:
        """Whose resource a user asks for."""
        if where is None:
            found = _PROJECT.match(request.asked.path)
            return found[1] if found else ""
        if where.bucket:
            return self._project_of(where.bucket)
        query: bytes = request.scope["query_string"]
        return parse_qs(query.decode("latin-1")).get("project", [""])[0]


def slowed(
    app: ASGIApp,
    delay_s: float,
    bytes_per_s: int | None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> ASGIApp:
    """The application, ``delay_s`` later, with bodies in both directions at a limited rate."""

    async def later(scope: Scope, receive: Receive, send: Send) -> None:
        await sleep(delay_s)
        if bytes_per_s is None:
            await app(scope, receive, send)
            return
        rate = bytes_per_s
        size = min(PIECE, max(1, rate // _TURNS_PER_S))

        async def receive_slowly() -> Message:
            message = await receive()
            await sleep(len(message.get("body", b"")) / rate)
            return message

        async def send_slowly(message: Message) -> None:
            body = memoryview(message.get("body", b""))
            if message["type"] != "http.response.body" or not body:
                await send(message)
                return
            for start in range(0, len(body), size):
                piece = body[start : start + size]
                await sleep(len(piece) / rate)
                more = message.get("more_body", False) or start + size < len(body)
                await send({"type": message["type"], "body": bytes(piece), "more_body": more})

        await app(scope, receive_slowly, send_slowly)

    return later


def _unavailable(fault_id: str, status: int, where: Address | None) -> ASGIApp:
    reason, message = _OF_STORAGE.get(status, _BACKEND)
    return _refused(refusals.Refusal(status, reason, message), where, _named(fault_id))


def _expired(fault_id: str, where: Address | None) -> ASGIApp:
    headers = (_CHALLENGE, _named(fault_id))
    if where is not None:
        refused = refusals.Refusal(401, "authError", _INVALID)
        return _refused(refused, where, *headers)
    refusal = Refusal.of(Unauthenticated(texts.CREDENTIALS_EXPIRED))
    return _answering(refusal.status, refusal.body, [*refusal.headers, *headers])


def _named(fault_id: str) -> tuple[bytes, bytes]:
    """So that nobody looks for the reason elsewhere."""
    return b"x-cmle-fault", fault_id.encode()


def _refused(
    refused: refusals.Refusal, where: Address | None, *headers: tuple[bytes, bytes]
) -> ASGIApp:
    """In the words of the API that was asked."""
    is_xml = where is not None and where.is_xml
    body = refused.xml() if is_xml else refused.json()
    return _answering(refused.status, body, [_XML if is_xml else _JSON, *headers])


def _answering(status: int, body: bytes, headers: heads.Headers) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
