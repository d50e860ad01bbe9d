import asyncio
import json
import socket
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from emulator.cluster import Network
from emulator.faults import ExpiredTokens, Fault, Placed, SlowStorage, StorageUnavailable
from emulator.gateway.faults import Faults, slowed
from emulator.identity import Identity, Kind
from tests.gateway.conftest import Gateway, Start, read_all

OBJECT = "/storage/v1/b/bkt/o/data%2Fa"
OWNERS = {"bkt": "p", "other": "q"}
JOB = Network(Identity(Kind.JOB, "p", "job1"))


def place(gateway: Gateway, *faults: Fault) -> None:
    async def work() -> None:
        gateway.board.faults = Faults(lambda bucket: OWNERS.get(bucket, ""))
        gateway.board.faults.place([Placed(f"f{n}", fault) for n, fault in enumerate(faults)])

    gateway.call(work())


def ask(gateway: Gateway, path: str = OBJECT, method: str = "GET", **headers: str) -> int:
    return answer(gateway, path, method, **headers)[0]


def answer(
    gateway: Gateway, path: str = OBJECT, method: str = "GET", **headers: str
) -> tuple[int, str, bytes]:
    lines = [f"{method} {path} HTTP/1.1", "Connection: close", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head, _, body = gateway.ask("\r\n".join([*lines, "", ""]).encode()).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body


def test_without_a_fault_nothing_is_looked_at(gateway: Gateway) -> None:
    assert not gateway.board.faults
    assert ask(gateway) == 200


def test_storage_is_unavailable_in_its_own_words(gateway: Gateway) -> None:
    place(gateway, StorageUnavailable(project="p"))

    status, head, body = answer(gateway)
    assert status == 503
    assert "x-cmle-fault: f0" in head
    assert json.loads(body)["error"]["errors"][0]["reason"] == "backendError"


def test_the_xml_api_is_refused_in_xml(gateway: Gateway) -> None:
    place(gateway, StorageUnavailable(project="p", status=429))
    with gateway.secure("storage.googleapis.com") as sock:
        sock.sendall(
            b"GET /bkt/x HTTP/1.1\r\nHost: storage.googleapis.com\r\nConnection: close\r\n\r\n"
        )
        text = read_all(sock)

    assert text.startswith(b"HTTP/1.1 429 ")
    assert b"application/xml" in text
    assert b"<Code>SlowDown</Code>" in text


def test_a_share_is_chosen_the_same_each_time(start: Start) -> None:
    def story(seed: int) -> list[int]:
        gateway = start()
        place(gateway, StorageUnavailable(project="p", share=0.3, seed=seed))
        return [ask(gateway) for _ in range(30)]

    first = story(1)
    assert first == story(1) != story(2)
    assert 3 <= first.count(503) <= 15


@pytest.mark.parametrize(
    "fault",
    [
        StorageUnavailable(project="q"),
        StorageUnavailable(project="p", bucket="other*"),
        StorageUnavailable(project="p", object="*.csv"),
        StorageUnavailable(project="p", methods=("PUT", "POST")),
        StorageUnavailable(project="p", job="*"),
        ExpiredTokens(project="p"),
        ExpiredTokens(project="p", job="*"),
    ],
    ids=["project", "bucket", "object", "methods", "job", "no token", "no job"],
)
def test_what_it_does_not_name_is_let_through(gateway: Gateway, fault: Fault) -> None:
    place(gateway, fault)

    assert ask(gateway) == 200
    assert gateway.board.faults.struck() == {"f0": 0}


def test_a_job_is_named_by_its_listener(start: Start) -> None:
    faults = [StorageUnavailable(project="p", job=job) for job in ("other", "job*")]
    gateway = start(JOB)
    place(gateway, *faults)

    assert ask(gateway) == 503
    assert ask(gateway, "/storage/v1/b/unknown/o/x") == 503  # its project is known anyway
    assert gateway.board.faults.struck() == {"f0": 0, "f1": 2}


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.VERSION, Kind.INSTALL])
def test_the_emulators_own_work_is_spared(start: Start, kind: Kind) -> None:
    gateway = start(Network(Identity(kind, "p")))
    place(gateway, StorageUnavailable(project="p"), ExpiredTokens(project="p"))

    assert ask(gateway, Authorization="Bearer x") == 200


def test_the_emulators_own_client_is_spared_by_storage_alone(gateway: Gateway) -> None:
    place(gateway, StorageUnavailable(project="p"), ExpiredTokens(project="p"))

    assert ask(gateway, User_Agent="cmle") == 200
    assert ask(gateway, User_Agent="cmle", Authorization="Bearer x") == 401


def test_it_strikes_so_many_times(gateway: Gateway) -> None:
    place(gateway, StorageUnavailable(project="p", times=2))

    assert [ask(gateway) for _ in range(3)] == [503, 503, 200]
    assert gateway.board.faults.struck() == {"f0": 2}


def test_a_bucket_that_is_made_belongs_to_who_makes_it(gateway: Gateway) -> None:
    place(gateway, StorageUnavailable(project="p"))

    assert ask(gateway, "/storage/v1/b?project=p", "POST") == 503
    assert ask(gateway, "/storage/v1/b?project=q", "POST") == 200


def test_those_that_stay_go_on_counting(gateway: Gateway) -> None:
    place(gateway, StorageUnavailable(project="p", times=2))
    ask(gateway)

    async def again() -> None:
        known = Placed("f0", StorageUnavailable(project="p", times=2))
        gateway.board.faults.place([known, Placed("f9", StorageUnavailable(project="q"), 4)])

    gateway.call(again())

    assert gateway.board.faults.struck() == {"f0": 1, "f9": 4}
    assert [ask(gateway) for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("path", [OBJECT, "/v1/projects/p/jobs"])
def test_old_tokens_are_refused_and_new_ones_are_not(gateway: Gateway, path: str) -> None:
    place(gateway, ExpiredTokens(project="p"))

    status, head, body = answer(gateway, path, Authorization="Bearer ya29.cmle.abc")
    assert status == 401
    assert 'www-authenticate: bearer realm="https://accounts.google.com/"' in head
    assert json.loads(body)["error"]["code"] == 401
    assert ask(gateway, path, Authorization="Bearer ya29.cmle.abc.f0") == 200
    assert ask(gateway, path) == 200
    assert ask(gateway, "/v1/projects/q/jobs", Authorization="Bearer ya29.cmle.abc") == 200


class Echo:
    """Answers in one piece what came; remembers when the pieces of the body came."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        body, more = b"", True
        while more:
            message: Message = await receive()
            body += message["body"]
            more = message["more_body"]
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def test_slow_storage_gives_and_takes_whole_bodies_late() -> None:
    content = bytes(range(250)) * 40
    parts = [content[:4000], content[4000:]]
    sent: list[Message] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def receive() -> Message:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    async def work() -> None:
        await slowed(Echo(), 0.25, 50_000, sleep)({}, receive, send)

    asyncio.run(work())

    assert slept == [0.25, 0.08, 0.12, 0.1, 0.1]
    assert [len(message.get("body", b"")) for message in sent] == [0, 5000, 5000]
    assert [message.get("more_body") for message in sent] == [None, True, False]
    assert b"".join(message.get("body", b"") for message in sent) == content


def test_slow_storage_is_whole_through_the_gateway(gateway: Gateway) -> None:
    gateway.storage = Echo()
    place(gateway, SlowStorage(project="p", bytes_per_s=100_000_000))
    content = bytes(range(250)) * 4000
    request = (
        b"PUT %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    )

    found = gateway.ask(request % (OBJECT.encode(), len(content)) + content)

    assert found.partition(b"\r\n\r\n")[2] == content


def test_who_leaves_a_slow_answer_ends_it(gateway: Gateway) -> None:
    gateway.storage = Echo()
    place(gateway, SlowStorage(project="p", delay_s=0.1, bytes_per_s=1))
    with gateway.connect() as sock:
        sock.sendall(b"PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % OBJECT.encode())
        sock.shutdown(socket.SHUT_RDWR)

    assert ask(gateway, "/v1/projects/p/jobs") == 200


def test_a_slow_fault_may_come_with_a_refusal(gateway: Gateway) -> None:
    place(
        gateway,
        SlowStorage(project="p", delay_s=0.01),
        StorageUnavailable(project="p", times=1),
    )

    assert [ask(gateway), ask(gateway)] == [503, 200]
    counts: dict[str, Any] = gateway.board.faults.struck()
    assert counts == {"f0": 2, "f1": 1}
