"""The standard library's own client: urllib, and google-auth's look for a metadata server."""

import http.client
from collections.abc import Callable
from functools import partial

from emulator.testing.duplex import Duplex
from emulator.testing.exchange import Origin
from emulator.testing.seams import Undo, current, put

Connect = Callable[[http.client.HTTPConnection], None]


def patch() -> list[Undo]:
    return [
        put(http.client.HTTPConnection, "connect", partial(connecting, scheme="http")),
        put(http.client.HTTPSConnection, "connect", partial(connecting, scheme="https")),
    ]


def connecting(original: Connect, scheme: str) -> Connect:
    """A way to connect that leads to the interception, for Google's hosts."""

    def connect(connection: http.client.HTTPConnection) -> None:
        origin = Origin(scheme, connection.host.lower().removesuffix("."), connection.port)
        cloud = current()
        if cloud is None or not cloud.answers(origin, "A connection to", ""):
            original(connection)
        else:
            duplex = Duplex(lambda request: cloud.answer(origin, request))
            connection.sock = duplex

    return connect
