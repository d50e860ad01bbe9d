import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from emulator.api.rest import BODY_LIMIT, Page
from emulator.errors import InvalidArgument

Ask = Callable[..., httpx.Response]


def test_json_is_indented_unless_told_otherwise(ask: Ask) -> None:
    path = "/v1/projects/demo:getConfig"
    assert ask("GET", path).text.startswith('{\n  "serviceAccount": ')
    assert ask("GET", f"{path}?prettyPrint=false").text.startswith('{"serviceAccount":')


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://127.0.0.1:99"])
def test_refuses_pages_of_other_origins(ask: Ask, origin: str) -> None:
    answer = ask("POST", "/v1/projects/demo/jobs", headers={"Origin": origin}, json={})
    assert answer.status_code == 403
    assert answer.json()["error"]["status"] == "PERMISSION_DENIED"


def test_takes_its_own_origin(ask: Ask) -> None:
    headers = {"Origin": "http://127.0.0.1"}
    assert ask("GET", "/v1/projects/demo/jobs", headers=headers).status_code == 200


def test_limits_a_body(ask: Ask) -> None:
    async def grows() -> AsyncIterator[bytes]:
        for _ in range(BODY_LIMIT // 1_000_000 + 1):
            await asyncio.sleep(0)
            yield b" " * 1_000_000

    answer = ask("POST", "/v1/projects/demo/jobs", content=grows())
    assert answer.json()["error"]["message"] == (
        f"Request payload size exceeds the limit: {BODY_LIMIT} bytes."
    )


@pytest.mark.parametrize("body", [b"{", b"[1", b"\xff", b'{"a": 1e}', b"[" * 100_000])
def test_refuses_what_is_no_json(ask: Ask, body: bytes) -> None:
    found = ask("POST", "/v1/projects/demo/jobs", content=body).json()["error"]
    assert found["status"] == "INVALID_ARGUMENT"
    assert found["message"].startswith("Invalid JSON payload received.")


def test_unknown_hosts_paths_answer_the_envelope(ask: Ask) -> None:
    answer = ask("GET", "/nowhere")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].endswith("GET /nowhere")


def test_a_page_that_fills_the_list_has_no_next(ask: Ask) -> None:
    assert ask("GET", "/v1/projects/demo/models").json() == {}
    page = Page.asked("x", 3, "")
    assert page.cut([1, 2, 3], ["a", "b", "c"]) == ([1, 2, 3], "")


def test_a_page_goes_on_by_position_when_its_last_item_is_gone() -> None:
    _, token = Page.asked("x", 2, "").cut([1, 2, 3, 4], ["a", "b", "c", "d"])
    assert Page.asked("x", 2, token).cut([1, 3, 4], ["a", "c", "d"]) == ([4], "")


def test_a_token_fits_its_own_list() -> None:
    _, token = Page.asked("x", 1, "").cut([1, 2], ["a", "b"])
    with pytest.raises(InvalidArgument, match="page_token"):
        Page.asked("y", 1, token).cut([1, 2], ["a", "b"])
