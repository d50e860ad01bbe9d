import contextlib

import pytest

from emulator.cluster import Network
from emulator.gateway import switchboard
from emulator.gateway.routes import Asked, Outside, Place, Refusal
from emulator.gateway.scopes import Request
from emulator.identity import Identity, Kind
from tests.gateway.conftest import Gateway, read_answer

JOB = Identity(Kind.JOB, "p", "job1")


def test_every_answer_of_routing_has_an_application(gateway: Gateway) -> None:
    answers = [*Place, Outside("h", 1), Refusal(404, "", b"")]

    request = Request(Asked("localhost", 80, "/"), {})
    assert all(callable(gateway.board.app(answer, request)) for answer in answers)


def test_reports_come_once_for_each_who_and_what(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def report() -> None:
        for identity, name in ((JOB, "a"), (JOB, "a"), (JOB, "b"), (Identity(), "a")):
            gateway.board.report_distrust(identity, "127.0.0.1", name)
            gateway.board.report_refusal(Network(identity), name, "Why.")

    gateway.call(report())
    once = len(caplog.records)
    monkeypatch.setattr(switchboard, "REPEATED_AFTER_S", -1.0)
    gateway.call(report())

    assert once == 6
    assert len(caplog.records) == 6 + 8


def test_a_closed_gateway_takes_no_connection(gateway: Gateway) -> None:
    with gateway.connect() as before:
        before.sendall(b"GET /v1/x HTTP/1.1\r\n\r\n")
        read_answer(before)
        gateway.call(gateway.board.close())
        assert before.recv(1) == b""
    with gateway.connect() as after, contextlib.suppress(ConnectionResetError):
        assert after.recv(1) == b""
