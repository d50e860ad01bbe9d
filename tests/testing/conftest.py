"""What the tests of interception share: jobs, and requests by the plainest client."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

PROJECT = "projects/p1"
ML = "https://ml.googleapis.com/v1"

Call = Callable[..., dict[str, Any]]
Submit = Callable[..., dict[str, Any]]


@pytest.fixture
def call() -> Call:
    """Asks the ML API; an error answer is an answer."""

    def ask(method: str, path: str, body: Any = None) -> dict[str, Any]:
        document: dict[str, Any] = httpx.request(method, f"{ML}/{path}", json=body).json()
        return document

    return ask


@pytest.fixture
def submit(call: Call) -> Submit:
    """Submits a job of this id; the rest goes into its ``trainingInput``."""

    def send(job_id: str, **training: Any) -> dict[str, Any]:
        spec = {
            "region": "us-central1",
            "pythonModule": "trainer.task",
            "packageUris": ["gs://packages/trainer.tar.gz"],
            "runtimeVersion": "2.11",
            "pythonVersion": "3.7",
            **training,
        }
        return call("POST", f"{PROJECT}/jobs", {"jobId": job_id, "trainingInput": spec})

    return send
