"""One connection to a running emulator: requests, JSON documents and refusals."""

import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

import httpx
import msgspec

from emulator.errors import OperatorError

JSON: Final = {"content-type": "application/json"}
HTTP_ERROR: Final = 400


class Refused(OperatorError):
    """The emulator answered with an error: ``code``, ``status``, ``details`` as sent."""

    def __init__(self, code: int, status: str, message: str, details: list[Any]) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.code = code
        self.status = status
        self.message = message
        self.details = details


class Connection:
    """Plain HTTP to the gateway at ``url``; close it, or use ``with``."""

    def __init__(self, url: str, *, timeout_s: float = 120.0) -> None:
        self.url = url.rstrip("/")
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusted: authorities take long to read
        self._http = httpx.Client(
            base_url=self.url,
            timeout=timeout_s,
            trust_env=False,
            verify=nobody,
            headers={"user-agent": "cmle"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        content: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and answer the body; Refused for an error answer."""
        try:
            answer = self._http.request(
                method, path, params=params, content=content, headers=headers
            )
        except httpx.TransportError as error:
            raise OperatorError(
                f"The emulator at {self.url} does not answer ({error}). "
                "Is it running? `cmle status` tells; `cmle serve` starts it."
            ) from error
        if answer.status_code >= HTTP_ERROR:
            raise _refusal(answer.status_code, answer.content)
        return answer.content

    def document(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send JSON (or nothing) and answer the JSON object that comes back."""
        content = None if body is None else msgspec.json.encode(body)
        headers = None if body is None else JSON
        return read_document(
            self.request(method, path, params=params, content=content, headers=headers)
        )


def read_document(content: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(content or b"{}")
    except msgspec.DecodeError:
        document = None
    if not isinstance(document, dict):
        text = content[:200].decode(errors="replace")
        raise OperatorError(f"The emulator's answer is not a JSON object: {text}")
    return document


def _refusal(code: int, content: bytes) -> Refused:
    """Read Google's envelope, the predict form ``{"error": "text"}``, or plain text."""
    try:
        document = msgspec.json.decode(content)
    except msgspec.DecodeError:
        document = {}
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict):
        details = error.get("details") or []
        return Refused(code, error.get("status", ""), error.get("message", ""), details)
    text = error if isinstance(error, str) else content.decode(errors="replace")
    return Refused(code, "", text or f"HTTP {code} without a body", [])
