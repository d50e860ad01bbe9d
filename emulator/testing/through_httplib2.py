"""httplib2, and with it google-api-python-client: a kind of connection of its own."""

import http.client
from functools import partial
from typing import Any

import httplib2

from emulator.testing.duplex import Duplex
from emulator.testing.exchange import Origin
from emulator.testing.interception import Interception
from emulator.testing.seams import Undo, current, put
from emulator.testing.through_http_client import connecting


def patch() -> list[Undo]:
    return [
        put(httplib2.Http, "request", _request),
        # For those who took hold of an object's ``request`` before, as oauth2client does.
        put(httplib2.HTTPConnectionWithTimeout, "connect", partial(connecting, scheme="http")),
        put(httplib2.HTTPSConnectionWithTimeout, "connect", partial(connecting, scheme="https")),
    ]


def _request(original: Any) -> Any:
    def request(  # noqa: PLR0913, PLR0917 httplib2's own signature
        self: httplib2.Http,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Any = None,
        redirections: int = httplib2.DEFAULT_MAX_REDIRECTS,
        connection_type: Any = None,
    ) -> Any:
        origin = Origin.of(uri)
        cloud = current()
        if cloud is None or not cloud.answers(origin, method, uri.removeprefix(str(origin))):
            return original(self, uri, method, body, headers, redirections, connection_type)
        kept, self.connections = self.connections, {}  # real ones, made before
        try:
            ours = _connection_type(cloud, origin)
            return original(self, uri, method, body, headers, redirections, ours)
        finally:
            self.connections = kept

    return request


def _connection_type(cloud: Interception, origin: Origin) -> type[http.client.HTTPConnection]:
    class Connection(http.client.HTTPConnection):
        def __init__(self, host: str, timeout: float | None = None, **_: Any) -> None:
            super().__init__(host, timeout=timeout)

        def connect(self) -> None:
            duplex = Duplex(lambda request: cloud.answer(origin, request))
            self.sock = duplex

    return Connection
