from collections.abc import Callable
from typing import Any

import httpx
import pytest

from emulator.cluster import Line
from emulator.logs import Entry, Logs, Span

Ask = Callable[..., httpx.Response]
URL = "/v2/entries:list"
JOB = 'resource.type="ml_job" AND resource.labels.job_id="job_1"'
START = 1_767_323_045.0  # 2026-01-02T03:04:05Z


def asked(**more: object) -> dict[str, object]:
    """The body that gcloud sends."""
    return {"resourceNames": ["projects/demo"], "orderBy": "timestamp asc", "filter": JOB, **more}


def messages(answer: httpx.Response) -> list[str]:
    found = answer.json().get("entries", [])
    return [one.get("textPayload") or one["jsonPayload"]["message"] for one in found]


@pytest.fixture(autouse=True)
def written(logs: Logs) -> None:
    logs.write("demo", "job_1", "Job job_1 is queued.", time=START)
    lines = [
        Line(1, START + 1.000001, "stdout", "one"),
        Line(2, START + 1.000001, "stderr", "two"),
        Line(3, START + 2, "log", "three\nlines", level="WARNING", path="a.py", lineno=7),
    ]
    for line in lines:
        logs.append("demo", "job_1", "master-replica-0", "master", line)
    logs.write("demo", "job_2", "Job job_2 is queued.", time=START + 0.5)


def test_answers_what_gcloud_asks(ask: Ask) -> None:
    answer = ask("POST", f"{URL}?alt=json", json=asked(pageSize=1000))
    assert messages(answer) == ["Job job_1 is queued.", "one", "two", "three\nlines"]
    assert "nextPageToken" not in answer.json()


def test_entries_have_the_services_shape(ask: Ask) -> None:
    entry = ask("POST", URL, json=asked(filter=f"{JOB} AND severity=WARNING")).json()["entries"][0]
    assert entry == {
        "logName": "projects/demo/logs/master-replica-0",
        "insertId": "000000000004",
        "timestamp": "2026-01-02T03:04:07.000000Z",
        "receiveTimestamp": "2026-01-02T03:04:07.000000Z",
        "severity": "WARNING",
        "resource": {
            "type": "ml_job",
            "labels": {
                "project_id": "demo",
                "job_id": "job_1",
                "task_name": "master-replica-0",
            },
        },
        "labels": {
            "ml.googleapis.com/job_id": "job_1",
            "ml.googleapis.com/job_id/log_area": "root",
            "ml.googleapis.com/task_name": "master-replica-0",
            "ml.googleapis.com/trial_id": "",
        },
        "jsonPayload": {
            "created": START + 2,
            "levelname": "WARNING",
            "message": "three\nlines",
            "pathname": "a.py",
            "lineno": 7,
        },
    }


def test_goes_on_where_the_client_stopped(ask: Ask) -> None:
    last = ask("POST", URL, json=asked()).json()["entries"][1]
    at, number = last["timestamp"], last["insertId"]
    bound = f'((timestamp="{at}" AND insertId>"{number}") OR timestamp>"{at}")'
    rest = ask("POST", URL, json=asked(filter=f"{JOB} AND {bound}"))
    assert messages(rest) == ["two", "three\nlines"]
    again = ask("POST", URL, json=asked(filter=f'{JOB} AND timestamp>="{at}"'))
    assert messages(again) == ["one", "two", "three\nlines"]


def test_holds_back_what_is_too_new(ask: Ask) -> None:
    bound = 'timestamp<"2026-01-02T03:04:06.000000Z"'
    assert messages(ask("POST", URL, json=asked(filter=f"{JOB} AND {bound}"))) == [
        "Job job_1 is queued."
    ]


def test_finds_one_task(ask: Ask) -> None:
    task = '(resource.labels.task_name="service" OR labels.task_name="service")'
    found = messages(ask("POST", URL, json=asked(filter=f"{JOB} AND {task}")))
    assert found == ["Job job_1 is queued."]


def test_orders_all_jobs_by_time(ask: Ask) -> None:
    texts = ["Job job_1 is queued.", "Job job_2 is queued.", "one", "two", "three\nlines"]
    assert messages(ask("POST", URL, json=asked(filter=""))) == texts
    descending = asked(filter="", orderBy="timestamp desc")
    assert messages(ask("POST", URL, json=descending)) == texts[::-1]


@pytest.mark.parametrize("order", ["timestamp asc", "timestamp desc"])
def test_pages_through_everything_once(ask: Ask, order: str) -> None:
    whole = messages(ask("POST", URL, json=asked(filter="", orderBy=order)))
    body: dict[str, Any] = asked(filter="", orderBy=order, pageSize=2)
    seen: list[str] = []
    while True:
        answer = ask("POST", URL, json=body)
        seen += messages(answer)
        if "nextPageToken" not in answer.json():
            break
        body["pageToken"] = answer.json()["nextPageToken"]
    assert seen == whole


def test_a_page_goes_on_over_new_entries(ask: Ask, logs: Logs) -> None:
    token = ask("POST", URL, json=asked(pageSize=4)).json().get("nextPageToken")
    assert token is None
    token = ask("POST", URL, json=asked(pageSize=3)).json()["nextPageToken"]
    logs.write("demo", "job_1", "later", time=START + 9)
    rest = ask("POST", URL, json=asked(pageSize=3, pageToken=token))
    assert messages(rest) == ["three\nlines", "later"]


def test_another_project_has_no_entries(ask: Ask) -> None:
    assert ask("POST", URL, json=asked(resourceNames=["projects/other"])).json() == {}


@pytest.mark.parametrize(
    "change",
    [
        {"filter": "a=("},
        {"filter": 7},
        {"orderBy": "severity"},
        {"pageSize": "x"},
        {"pageSize": -1},
        {"pageToken": "x"},
        {"resourceNames": []},
        {"resourceNames": "projects/demo"},
    ],
)
def test_refuses_bad_requests(ask: Ask, change: dict[str, object]) -> None:
    answer = ask("POST", URL, json=asked(**change))
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_says_where_a_filter_goes_wrong(ask: Ask) -> None:
    found = ask("POST", URL, json=asked(filter="a=(")).json()["error"]["message"]
    assert found == "Unparseable filter: syntax error at line 1, column 4, unexpected end"


def test_takes_what_user_code_writes(ask: Ask) -> None:
    entries = {"entries": [{"logName": "projects/demo/logs/x", "textPayload": "hello"}]}
    assert ask("POST", "/v2/entries:write", json=entries).json() == {}


@pytest.mark.parametrize("order", ["timestamp asc", "timestamp desc"])
@pytest.mark.parametrize("size", [7, 300, 1000])
def test_pages_through_many_entries_that_are_out_of_order(
    ask: Ask, logs: Logs, order: str, size: int
) -> None:
    for number in range(1, 1500):  # many share a time, and every third comes late
        late = 3 if number % 3 == 0 else 0
        at = START + number // 400 - late
        logs.append("demo", "job_3", "t", "m", Line(number, at, "stdout", str(number)))
    body = asked(filter='resource.labels.job_id="job_3"', orderBy=order, pageSize=size)
    found: list[tuple[str, str]] = []
    while True:
        answer = ask("POST", URL, json=body).json()
        found += [(one["timestamp"], one["insertId"]) for one in answer["entries"]]
        if "nextPageToken" not in answer:
            break
        body["pageToken"] = answer["nextPageToken"]
    assert found == sorted(set(found), reverse=order.endswith("desc"))
    assert len(found) == 1499


def test_a_page_of_a_long_log_reads_little_of_it(
    ask: Ask, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 5001):
        logs.append("demo", "job_3", "t", "m", Line(number, START, "stdout", "x"))
    read: list[str] = []
    entries = Logs.entries

    def counted(self: Logs, project_id: str, job_id: str, span: Span) -> list[Entry]:
        read.append(span.first_id)
        return entries(self, project_id, job_id, span)

    monkeypatch.setattr(Logs, "entries", counted)
    body = asked(filter='resource.labels.job_id="job_3"', pageSize=100)
    body["pageToken"] = ask("POST", URL, json=body).json()["nextPageToken"]
    assert len(ask("POST", URL, json=body).json()["entries"]) == 100
    assert read == ["000000000001"] * 2
    late = asked(filter='resource.labels.job_id="job_3" AND insertId>"000000004999"')
    assert len(ask("POST", URL, json=late).json()["entries"]) == 1
    assert len(read) == 3
