"""oauth2.googleapis.com, accounts.google.com and the metadata server: who a client may say it is.

Tokens prove nothing here: the listener that a request came through decides who asks. They
only have to look right to the libraries that fetch them (clients reference §§1.3, 1.4).
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from emulator.api.rest import Answer, answer, body_of, identity_of
from emulator.api.services import Services
from emulator.errors import InvalidArgument
from emulator.projects import Project

LIFETIME_S: Final = 3600
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
FLAVOR: Final = {"Metadata-Flavor": "Google"}
ZONE: Final = "us-central1-a"
_NO_FLAVOR: Final = "Missing Metadata-Flavor:Google header."
_TOKEN_PATHS: Final = ("/token", "/oauth2/v4/token", "/oauth2/v3/token", "/o/oauth2/token")


def endpoints(services: Services) -> list[Route]:
    async def token(request: Request) -> Response:
        asked = dict(parse_qsl((await body_of(request)).decode(errors="replace")))
        return answer(request, grant(services, _caller(services, request), asked))

    async def token_info(request: Request) -> Response:
        email = _caller(services, request).email
        expires = str(int(services.clock()) + LIFETIME_S)
        found = {"scope": SCOPE, "email": email, "expires_in": str(LIFETIME_S), "exp": expires}
        return answer(request, {**found, "email_verified": "true", "access_type": "offline"})

    async def user_info(request: Request) -> Response:
        email = _caller(services, request).email
        return answer(request, {"id": subject(email), "email": email, "verified_email": True})

    async def metadata(request: Request) -> Response:
        return _metadata(services, request)

    async def root(_: Request) -> Response:
        """What google-auth and oauth2client ping to find a metadata server."""
        return PlainTextResponse("computeMetadata/\n", headers=FLAVOR)

    return [
        *(Route(path, token, methods=["POST"]) for path in _TOKEN_PATHS),
        Route("/tokeninfo", token_info, methods=["GET", "POST"]),
        Route("/oauth2/{version}/tokeninfo", token_info, methods=["GET", "POST"]),
        Route("/oauth2/{version}/userinfo", user_info, methods=["GET"]),
        Route("/revoke", _revoke, methods=["GET", "POST"]),
        Route("/o/oauth2/revoke", _revoke, methods=["GET", "POST"]),
        Route("/computeMetadata/v1{path:path}", metadata, methods=["GET"]),
        Route("/", root, methods=["GET"]),
    ]


class Caller(msgspec.Struct, frozen=True):
    """The account and project behind a request."""

    email: str
    project: Project
    marks: tuple[str, ...] = ()  # of the faults that earlier tokens have expired by


def access_token(caller: Caller, email: str = "") -> str:
    """A token of the caller's account, or of another that it may speak for."""
    digest = hashlib.sha256((email or caller.email).encode()).hexdigest()
    return ".".join(("ya29", "cmle", digest[:32], *caller.marks))


def subject(email: str) -> str:
    """An account's numeric id, 21 digits as Google's have."""
    number = int(hashlib.sha256(email.encode()).hexdigest(), 16)
    return str(10**20 + number % (9 * 10**20))


def id_token(email: str, audience: str, now: float) -> str:
    """A well-formed JWT; its signature is no signature."""
    claims = {
        "iss": "https://accounts.google.com",
        "aud": audience,
        "azp": subject(email),
        "sub": subject(email),
        "email": email,
        "email_verified": True,
        "iat": int(now),
        "exp": int(now) + LIFETIME_S,
    }
    parts = ({"alg": "RS256", "typ": "JWT", "kid": "cmle"}, claims)
    signed = ".".join(_base64(msgspec.json.encode(part)) for part in parts)
    return f"{signed}.{_base64(hashlib.sha256(signed.encode()).digest() * 8)}"


def grant(services: Services, caller: Caller, asked: dict[str, str]) -> dict[str, Any]:
    """Answer a token request: a signed assertion, a refresh token or a code."""
    kind = asked.get("grant_type", "")
    claims = _claims(asked["assertion"]) if "assertion" in asked else {}
    if not kind or (kind.endswith("jwt-bearer") and not claims):
        raise InvalidArgument("invalid_grant: the grant type or its assertion is missing.")
    email = str(claims.get("iss") or caller.email)
    audience = str(claims.get("target_audience") or asked.get("client_id") or "cmle")
    token = id_token(email, audience, services.clock())
    if "target_audience" in claims:
        return {"id_token": token}
    return {
        "access_token": access_token(caller, email),
        "expires_in": LIFETIME_S,
        "scope": str(claims.get("scope") or asked.get("scope") or SCOPE),
        "token_type": "Bearer",
        "id_token": token,
    }


async def _revoke(request: Request) -> Response:
    return answer(request, {})


def _caller(services: Services, request: Request) -> Caller:
    identity = identity_of(request)
    project = services.projects.get(identity.project) if identity.project else None
    project = project or services.projects.default()
    account = f"{project.project_number}-compute@developer.gserviceaccount.com"
    marks = services.faults.token_marks(identity.project)
    return Caller(identity.email or account, project, marks)


def _metadata(services: Services, request: Request) -> Response:
    if request.headers.get("metadata-flavor") != "Google":
        return PlainTextResponse(_NO_FLAVOR, 403, headers=FLAVOR)
    caller = _caller(services, request)
    path = request.path_params["path"].strip("/")
    if path.startswith("instance/service-accounts"):
        return _account(services, caller, path.split("/")[2:], request)
    reading = _VALUES.get(path)
    if reading is None:
        raise HTTPException(404, headers=FLAVOR)
    return PlainTextResponse(reading(caller), headers=FLAVOR)


_VALUES: Final[dict[str, Callable[[Caller], str]]] = {
    "": lambda _: "instance/\nproject/\nuniverse/\n",
    "project/numeric-project-id": lambda caller: str(caller.project.project_number),
    "project/project-id": lambda caller: caller.project.project_id,
    "instance/zone": lambda caller: f"projects/{caller.project.project_number}/zones/{ZONE}",
    "instance/region": lambda caller: (
        f"projects/{caller.project.project_number}/regions/{ZONE[:-2]}"
    ),
    "instance/id": lambda caller: subject(caller.email)[:19],
    "instance/name": lambda _: "cmle",
    "instance/hostname": lambda caller: f"cmle.c.{caller.project.project_id}.internal",
    "instance/attributes": lambda _: "",
    "project/attributes": lambda _: "",
    "universe/universe-domain": lambda _: "googleapis.com",
}


def _account(services: Services, caller: Caller, parts: list[str], request: Request) -> Response:
    """``…/service-accounts[/{default or e-mail}[/what]]``."""
    if not parts:
        return PlainTextResponse(f"default/\n{caller.email}/\n", headers=FLAVOR)
    name, what = parts[0], "/".join(parts[1:])
    if name not in {"default", caller.email}:
        raise HTTPException(404, headers=FLAVOR)
    query = request.query_params
    if not what and query.get("recursive", "").lower() == "true":
        return _metadata_json({"aliases": ["default"], "email": caller.email, "scopes": [SCOPE]})
    if what == "token":
        token = access_token(caller)
        return _metadata_json(
            {"access_token": token, "expires_in": LIFETIME_S - 1, "token_type": "Bearer"}
        )
    if what == "identity" and query.get("audience"):
        text = id_token(caller.email, query["audience"], services.clock())
    elif what in _ACCOUNT:
        text = _ACCOUNT[what](caller)
    else:
        raise HTTPException(404, headers=FLAVOR)
    return PlainTextResponse(text, headers=FLAVOR)


_ACCOUNT: Final[dict[str, Callable[[Caller], str]]] = {
    "": lambda _: "aliases\nemail\nidentity\nscopes\ntoken\n",
    "aliases": lambda _: "default\n",
    "email": lambda caller: caller.email,
    "scopes": lambda _: f"{SCOPE}\n",
}


def _metadata_json(document: dict[str, Any]) -> Response:
    found = Answer(document, pretty=False)
    found.headers.update({**FLAVOR, "content-type": "application/json"})
    return found


def _claims(assertion: str) -> dict[str, Any]:
    """A JWT's claims, unverified; {} if it is none."""
    parts = assertion.split(".")
    if len(parts) != len(("header", "claims", "signature")):
        return {}
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return {}


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
