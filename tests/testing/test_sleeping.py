"""Who sleeps in virtual time, and who does not."""

import asyncio
import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.api_core.future import polling
from google.api_core.retry import AsyncRetry, Retry, if_exception_type

from emulator.testing import fake_service, intercept, succeeds

SUBMIT = "https://ml.googleapis.com/v1/projects/p1/jobs"
JOB = {
    "jobId": "j",
    "trainingInput": {
        "region": "us-central1",
        "pythonModule": "trainer.task",
        "packageUris": ["gs://packages/trainer.tar.gz"],
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
    },
}
ORCHESTRATOR = """
import time, asyncio, httpx
def wait(url, interval):
    looks = 0
    while "endTime" not in httpx.get(url).json():
        looks += 1
        time.sleep(interval)
    return looks
async def wait_async(interval):
    return await asyncio.sleep(interval, "slept")
"""


@pytest.fixture
def orchestrator() -> Iterator[types.ModuleType]:
    """A module as a user has it, which polls every so many seconds."""
    module = types.ModuleType("shop.orchestrator")
    exec(ORCHESTRATOR, vars(module))  # noqa: S102 it is ours
    sys.modules["shop.orchestrator"] = module
    yield module
    del sys.modules["shop.orchestrator"]


def test_a_named_module_sleeps_in_virtual_time(orchestrator: types.ModuleType) -> None:
    script = fake_service(job_outcomes={"*": succeeds(running_s=7_140)}, poll_s=0)
    with intercept(script, sleep_in=["shop"]) as cloud:
        httpx.post(SUBMIT, json=JOB)
        began = time.monotonic()
        assert orchestrator.wait(f"{SUBMIT}/j", 60) == 120  # two hours
        assert time.monotonic() - began < 60
        assert cloud.clock.elapsed == 7_200


def test_its_coroutines_do_so_too(orchestrator: types.ModuleType) -> None:
    with intercept(sleep_in=["shop.orchestrator"]) as cloud:
        assert asyncio.run(orchestrator.wait_async(3_600)) == "slept"
        assert cloud.clock.elapsed == 3_600


def test_everybody_else_really_sleeps() -> None:
    with intercept(sleep_in=["shop"]) as cloud:
        began = time.monotonic()
        time.sleep(0.01)
        asyncio.run(asyncio.sleep(0.01))
        assert time.monotonic() - began >= 0.02
        assert cloud.clock.elapsed == 0


class _Training(polling.PollingFuture):
    """A long-running operation as Google's SDKs wait for one."""

    def done(self, retry: object = None) -> bool:
        del retry
        job = httpx.get(f"{SUBMIT}/j").json()
        if "endTime" in job:
            self.set_result(job["state"])  # type: ignore[no-untyped-call]
        return "endTime" in job

    def cancel(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return False


def test_futures_of_google_api_core_poll_in_virtual_time() -> None:
    with intercept(fake_service(poll_s=0)) as cloud:
        httpx.post(SUBMIT, json=JOB)
        began = time.monotonic()
        training = _Training()  # type: ignore[no-untyped-call]
        found = training.result()  # type: ignore[no-untyped-call]
        assert found == "SUCCEEDED"  # its pauses grow from 1 s to 20 s
        assert time.monotonic() - began < 30
        assert cloud.clock.elapsed >= 660


def test_retries_of_google_api_core_wait_in_virtual_time() -> None:
    tries: list[int] = []

    def fail_twice() -> str:
        tries.append(1)
        if len(tries) % 3:
            raise ConnectionError
        return "done"

    async def fail_twice_async() -> str:
        return fail_twice()

    long: dict[str, Any] = {
        "predicate": if_exception_type(ConnectionError),
        "initial": 600,
        "maximum": 600,
        "timeout": 10**6,
    }

    async def retried() -> str:
        return str(await AsyncRetry(**long)(fail_twice_async)())

    with intercept() as cloud:
        began = time.monotonic()
        assert Retry(**long)(fail_twice)() == "done"
        assert asyncio.run(retried()) == "done"
        assert time.monotonic() - began < 30
        assert cloud.clock.elapsed > 0


def test_with_a_running_emulator_sdks_sleep_briefly(orchestrator: types.ModuleType) -> None:
    class Elsewhere:
        url, project = "http://127.0.0.1:1", "p"

    with intercept(Elsewhere(), sleep_in=["shop"]):
        began = time.monotonic()
        asyncio.run(orchestrator.wait_async(3_600))
        assert 0.04 < time.monotonic() - began < 30
