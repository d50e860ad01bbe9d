"""One scripted job, or one object, answered in process: the whole block, beside moto's."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import boto3  # type: ignore[import-untyped]
import requests
from moto import mock_aws

from benchmarks.measuring import Figure, Options, Row, median, ratio
from emulator.testing import fake_service, intercept

TARGET_MS: Final = 20
JOBS: Final = "https://ml.googleapis.com/v1/projects/p/jobs"
JOB: Final[dict[str, Any]] = {
    "jobId": "j",
    "trainingInput": {
        "region": "us-central1",
        "pythonModule": "trainer.task",
        "packageUris": ["gs://packages/trainer.tar.gz"],
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
    },
}
PEER: Final = boto3.client(  # made once: that alone takes longer than all the rest
    "s3",
    region_name="us-east-1",
    aws_access_key_id="x",
    aws_secret_access_key="x",  # noqa: S106 no secret
)
SCRIPT: Final = fake_service(job_outcomes={"*": "SUCCEEDED"}, buckets=["my-bucket"])


def figures(options: Options) -> Iterator[Figure]:
    times = options.times(50, 5)
    rounds = {"job": train, "call": call_peer, "object": store, "store": store_at_peer}
    for run in rounds.values():  # the first imports what they need
        run()
    taken: dict[str, list[float]] = {name: [] for name in rounds}
    for _ in range(times):
        for name, run in rounds.items():
            taken[name].append(milliseconds(run))
    yield Figure(
        title="A block in process, from its beginning to its end",
        peer="moto's mock_aws, S3",
        rows=(
            row("a job: submitted, ended, looked at (peer: one call)", taken["job"], taken["call"]),
            row("an object stored and read", taken["object"], taken["store"]),
        ),
    )


def row(what: str, here: list[float], peer: list[float]) -> Row:
    found = median(here)
    return Row(
        what=what,
        here=f"{found:.1f} ms",
        peer=f"{median(peer):.1f} ms",
        compared=f"{ratio(here, peer):.2f}x",
        target=f"≤ {TARGET_MS} ms",
        met=found <= TARGET_MS,
    )


def milliseconds(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000


def train() -> None:
    with intercept(SCRIPT) as cloud:
        requests.post(JOBS, json=JOB, timeout=60).raise_for_status()
        cloud.clock.advance(3_600)
        assert requests.get(f"{JOBS}/j", timeout=60).json()["state"] == "SUCCEEDED"


def store() -> None:
    with intercept(SCRIPT):
        url = "https://storage.googleapis.com/my-bucket/x"
        requests.put(url, data=b"content", timeout=60).raise_for_status()
        assert requests.get(url, timeout=60).content == b"content"


def call_peer() -> None:
    with mock_aws():
        PEER.create_bucket(Bucket="my-bucket")


def store_at_peer() -> None:
    with mock_aws():
        PEER.create_bucket(Bucket="my-bucket")
        PEER.put_object(Bucket="my-bucket", Key="x", Body=b"content")
        assert PEER.get_object(Bucket="my-bucket", Key="x")["Body"].read() == b"content"
