"""requests, and with it google-cloud-storage: by the ``responses`` library."""

from collections.abc import Iterable

import requests
from requests.adapters import HTTPAdapter
from responses import BaseResponse, CallbackResponse, PassthroughResponse, RequestsMock
from responses.registries import FirstMatchRegistry

from emulator.testing.exchange import Origin, asked, taken_apart
from emulator.testing.seams import Undo, current

_Told = tuple[int, list[tuple[str, str]], bytes]


def patch() -> list[Undo]:
    mock = RequestsMock(
        assert_all_requests_are_fired=False,
        registry=_Registry,
        real_adapter_send=HTTPAdapter.send,  # type: ignore[arg-type]  # read-only it is the same
    )
    mock.start()
    return [mock.stop]


class _Registry(FirstMatchRegistry):
    """Has a response to every request: the interception's, or the network's."""

    def find(self, request: requests.PreparedRequest) -> tuple[BaseResponse | None, list[str]]:
        url, method = str(request.url), str(request.method)
        origin = Origin.of(url)
        cloud = current()
        if cloud is None or not cloud.answers(origin, method, request.path_url):
            return PassthroughResponse(method, url), []

        def answer(asking: requests.PreparedRequest) -> _Told:
            raw = cloud.answer(origin, _raw(asking))
            found = taken_apart(raw, method)
            return found.status, found.headers, found.body

        return CallbackResponse(method, url, answer, content_type=None), []


def _raw(request: requests.PreparedRequest) -> bytes:
    headers = [(_bytes(name), _bytes(value)) for name, value in request.headers.items()]
    host = Origin.of(str(request.url))
    if not any(name.lower() == b"host" for name, _ in headers):
        headers.insert(0, (b"host", str(host).partition("://")[2].encode()))
    return asked(str(request.method), request.path_url.encode(), headers, _body(request.body))


def _body(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str | bytes):
        return _bytes(body)
    if isinstance(body, Iterable):
        return b"".join(map(_bytes, body))
    raise TypeError(f"A body of requests is no {type(body).__name__}.")


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
