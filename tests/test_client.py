"""The client against a server that keeps jobs, models and objects."""

from typing import TYPE_CHECKING

import pytest

from emulator.client import Client
from emulator.errors import OperatorError
from emulator.rest import Refused

if TYPE_CHECKING:
    from tests.conftest import Keeper


def entry(number: int, second: int, text: str) -> dict[str, object]:
    return {
        "insertId": f"{number:06}",
        "timestamp": f"2020-01-01T00:00:{second:02}.000000Z",
        "severity": "INFO",
        "resource": {"type": "ml_job", "labels": {"job_id": "j", "task_name": "master-replica-0"}},
        "jsonPayload": {"message": text},
    }


def test_job_is_watched_to_its_end(client: Client) -> None:
    client.create_job({"jobId": "j"})
    seen = []
    job = client.wait_job("j", seen=lambda job: seen.append(job["state"]))
    assert job["state"] == "SUCCEEDED"
    assert seen == ["QUEUED", "RUNNING", "SUCCEEDED"]


def test_job_is_watched_until_it_is_in_a_state(client: Client) -> None:
    client.create_job({"jobId": "j"})
    assert client.wait_job("j", state="RUNNING")["state"] == "RUNNING"
    assert client.wait_job("j", state="RUNNING")["state"] == "SUCCEEDED"


def test_waiting_ends_at_the_deadline(client: Client, keeper: "Keeper") -> None:
    keeper.states = ["RUNNING"]
    client.create_job({"jobId": "j"})
    with pytest.raises(OperatorError, match=r"still RUNNING after 0 s.*cmle jobs cancel j"):
        client.wait_job("j", timeout_s=0)


def test_refusal_carries_googles_envelope(client: Client) -> None:
    client.create_job({"jobId": "j"})
    with pytest.raises(Refused, match=r"^ALREADY_EXISTS: Field: job.job_id") as caught:
        client.create_job({"jobId": "j"})
    assert caught.value.code == 409
    assert caught.value.details[0]["fieldViolations"][0]["field"] == "job.job_id"


def test_refused_prediction_carries_its_text(client: Client, keeper: "Keeper") -> None:
    keeper.predictions = (400, {"error": "Prediction failed: bad input"})
    with pytest.raises(Refused, match=r"^Prediction failed: bad input$"):
        client.predict("m", "v", {"instances": []})


def test_every_page_of_a_list_is_read(client: Client) -> None:
    for number in range(5):
        client.create_job({"jobId": f"j{number}"})
    assert [job["jobId"] for job in client.jobs()] == ["j0", "j1", "j2", "j3", "j4"]


def test_log_is_followed_without_gap_or_repetition(client: Client, keeper: "Keeper") -> None:
    keeper.states = ["RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]
    client.create_job({"jobId": "j"})
    keeper.entries = [entry(1, 10, "a"), entry(2, 10, "b"), entry(3, 11, "c")]
    texts = []
    for found in client.follow("j", poll_s=0):
        texts.append(found.text)
        if found.text == "c":  # late lines: one before the last, one after it
            keeper.entries.insert(2, entry(4, 9, "late"))
            keeper.entries.append(entry(5, 12, "d"))
    assert sorted(texts) == ["a", "b", "c", "d", "late"]


def test_entry_keeps_task_and_severity(client: Client, keeper: "Keeper") -> None:
    keeper.entries = [entry(1, 10, "text")]
    (found,) = client.entries("j")
    assert (found.task, found.severity, found.text) == ("master-replica-0", "INFO", "text")


def test_operation_is_awaited(client: Client) -> None:
    client.create_model("m")
    done = client.wait_operation(client.create_version("m", {"name": "v"}))
    assert done["done"] is True


def test_failed_operation_is_a_refusal(client: Client, keeper: "Keeper") -> None:
    keeper.operation_error = {"code": 9, "message": "Model cannot be loaded."}
    with pytest.raises(Refused, match=r"Model cannot be loaded\."):
        client.wait_operation(client.create_version("m", {"name": "v"}))


def test_dead_address_is_explained() -> None:
    with (
        Client("http://127.0.0.1:9", "p") as client,
        pytest.raises(OperatorError, match=r"does not answer.*cmle serve"),
    ):
        client.job("j")
