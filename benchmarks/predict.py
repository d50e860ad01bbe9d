"""One prediction through the REST door, beside the same call inside the runtime's TensorFlow."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from benchmarks.measuring import Figure, Options, Row, median
from benchmarks.workers import Worker, runtime
from emulator.client import Client
from emulator.embedded import Emulator
from emulator.errors import OperatorError
from emulator.names import model_name
from emulator.server import default_cache_dir
from emulator.shipped import SHIMS

TARGET_MS: Final = 4.0
BUCKET: Final = "bench-models"
MODEL: Final = "halves"
BODY: Final = '{"instances": [{"x": 3.0}]}'
ANSWER: Final = {"predictions": [{"y": 3.5}]}
WAYS: Final = {"plainly": "tf.saved_model.load", "as_served": "the server's own code"}


def figures(options: Options) -> Iterator[Figure]:
    cache_dir = options.cache_dir or default_cache_dir()
    for version in options.runtimes:
        made = runtime(version, options)
        with contextlib.ExitStack() as stack:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="cmle-bench-"))
            model_dir = Path(name) / "model"
            worker = stack.enter_context(
                Worker.started("saved_model", made, Path(name), env={"OMP_NUM_THREADS": "1"})
            )
            worker.do("make", directory=str(model_dir))
            worker.do("load", directory=str(model_dir), shims=str(SHIMS))
            emulator = stack.enter_context(Emulator(options=["--cache-dir", str(cache_dir)]))
            client = stack.enter_context(emulator.client())
            options.say(f"predict: deploying a model of runtime {version}")
            deploy(client, model_dir, version)
            yield compared(client, worker, made.tensorflow, options)


def deploy(client: Client, model_dir: Path, version: str) -> None:
    client.storage.create(BUCKET)
    client.storage.upload_folder(f"gs://{BUCKET}/{MODEL}", model_dir)
    client.create_model(MODEL, regions=["us-central1"])
    operation = client.create_version(
        MODEL,
        {
            "name": "v1",
            "deploymentUri": f"gs://{BUCKET}/{MODEL}/",
            "runtimeVersion": version,
            "pythonVersion": "3.7",
            "framework": "TENSORFLOW",
        },
    )
    client.wait_operation(operation, timeout_s=300)


def compared(client: Client, worker: Worker, tensorflow: str, options: Options) -> Figure:
    rounds, calls = options.times(3, 1), 100
    door: list[float] = []
    inside: dict[str, list[float]] = {way: [] for way in WAYS}
    with contextlib.closing(HTTPConnection(urlsplit(client.url).netloc, timeout=60)) as connection:
        through_door(connection, client.project, 20)  # the first ones compile the call
        for way in WAYS:
            worker.do("ask", way=way, body=BODY, times=20)
        for number in range(rounds):
            options.say(f"predict: {calls} calls each, round {number + 1}")
            door += through_door(connection, client.project, calls)
            for way, times in inside.items():
                found = worker.do("ask", way=way, body=BODY, times=calls)
                check(found["answer"])
                times.extend(found["seconds"])
    here = median(door) * 1e3
    peers = {way: median(seconds) * 1e3 for way, seconds in inside.items()}
    return Figure(
        title=f"One instance predicted by TensorFlow {tensorflow}, median of {rounds * calls}",
        peer="in process",
        rows=tuple(
            Row(
                what=f"beside {WAYS[way]}",
                here=f"{here:.2f} ms",
                peer=f"{peer:.2f} ms",
                compared=f"{here - peer:+.2f} ms",
                target=f"≤ +{TARGET_MS:g} ms",
                met=here - peer <= TARGET_MS,
            )
            for way, peer in peers.items()
        ),
    )


def through_door(connection: HTTPConnection, project: str, calls: int) -> list[float]:
    path = f"/v1/{model_name(project, MODEL)}:predict"
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        connection.request("POST", path, BODY.encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            raise OperatorError(f"predict answered {answer.status}: {content[:500]!r}")
        check(msgspec.json.decode(content))
    return times


def check(answer: Any) -> None:
    if answer != ANSWER:
        raise OperatorError(f"The prediction is {answer}, not {ANSWER}.")
