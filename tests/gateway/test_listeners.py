import socket
from pathlib import Path

import pytest

from emulator.cluster import Network
from emulator.errors import OperatorError
from emulator.gateway.listeners import Listener, bind, bind_path
from emulator.identity import Identity
from tests.gateway.conftest import DEADLINE_S, Gateway, read_answer

GET = b"GET /v1/x HTTP/1.1\r\n\r\n"


def test_a_port_in_use_is_said_with_the_cure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=f"Port {port} .*--port") as refused:
            bind(port)

    assert refused.value.exit_code == 1


def test_a_port_that_was_just_in_use_is_free() -> None:
    with bind(0) as sock:
        port = sock.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            sock.accept()[0].close()
            assert client.recv(1) == b""
    with bind(port) as again:
        assert again.getsockname()[1] == port


def test_stopping_leaves_connections_and_closing_ends_them(gateway: Gateway) -> None:
    sock = bind(0)
    address = sock.getsockname()
    listener = gateway.call(Listener.open(sock, Network(Identity()), gateway.board))
    with socket.create_connection(address, DEADLINE_S) as client:
        client.sendall(GET)
        read_answer(client)
        gateway.call(on_loop(listener.stop))
        client.sendall(GET)
        assert b" 200 " in read_answer(client)[0]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        gateway.call(on_loop(listener.close))
        assert client.recv(1) == b""


async def on_loop(function: object) -> None:
    assert callable(function)
    function()


def test_a_socket_that_a_dead_gateway_left_is_replaced(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "users.sock"
    bind_path(path).close()
    listener = gateway.call(Listener.open(bind_path(path), Network(Identity()), gateway.board))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(path))
        client.sendall(GET)
        read_answer(client)
    gateway.call(on_loop(listener.close))


def test_a_file_at_the_sockets_path_stays(tmp_path: Path) -> None:
    path = tmp_path / "users.sock"
    path.write_text("mine")
    with pytest.raises(OperatorError, match=r"cannot listen on .*--socket"):
        bind_path(path)
    assert path.read_text() == "mine"
