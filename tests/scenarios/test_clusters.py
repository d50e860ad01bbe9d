"""Clusters of real processes, at every isolation level of this machine."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from emulator.cluster import Isolation
from emulator.isolation import probe
from tests.test_jobs import room, run

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LEVELS: Final = ["none", "namespaces"] if probe().isolation == "namespaces" else ["none"]
CLUSTER: Final[dict[str, Any]] = {
    "scale_tier": "CUSTOM",
    "master_type": "n1-standard-4",
    "worker_type": "n1-standard-4",
    "worker_count": 2,
    "parameter_server_type": "n1-standard-4",
    "parameter_server_count": 1,
}

MEETING = """
import json, os, socket, sys, time
config = json.loads(os.environ["TF_CONFIG"])
task, cluster = config["task"], config["cluster"]
if task["type"] == "chief":
    for address in cluster["worker"] + cluster["ps"]:
        host, port = address.rsplit(":", 1)
        for attempt in range(200):
            try:
                with socket.create_connection((host, int(port)), timeout=5) as peer:
                    print("met", peer.makefile().readline().strip(), flush=True)
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit("nobody at " + address)
else:
    port = int(cluster[task["type"]][task["index"]].rsplit(":", 1)[1])
    with socket.create_server(("", port)) as server:
        print("listening", flush=True)
        peer, _ = server.accept()
        with peer:
            peer.sendall(("%s %d\\n" % (task["type"], task["index"])).encode())
    while task["type"] == "ps":
        time.sleep(1)
"""


@pytest.fixture(params=LEVELS)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    level: Isolation = request.param
    return level


def test_replicas_reach_each_other(tmp_path: Path, isolation: Isolation) -> None:
    async def work() -> None:
        async with room(tmp_path, isolation) as here:
            await here.jobs.submit("p", here.module("meets", MEETING, **CLUSTER))
            ended = await here.ended("meets")

            assert ended.state == "SUCCEEDED", (ended.error_message, here.messages("meets"))
            met = [text for text in here.messages("meets") if text.startswith("met ")]
            assert met == ["met worker 0", "met worker 1", "met ps 0"]
            assert "listening" in here.messages("meets", "ps-replica-0")
            shared = [text for text in here.messages("meets") if "share the network" in text]
            assert len(shared) == (isolation == "none")

    run(work())


def test_the_whole_of_premium_1_meets(tmp_path: Path, isolation: Isolation) -> None:
    async def work() -> None:
        async with room(tmp_path, isolation) as here:
            await here.jobs.submit("p", here.module("meets", MEETING, scale_tier="PREMIUM_1"))
            await here.until(lambda: here.jobs.get("p", "meets").end_time is not None, 100)
            ended = here.jobs.get("p", "meets")

            assert ended.state == "SUCCEEDED", (ended.error_message, here.messages("meets"))
            met = Counter(
                text.split()[1] for text in here.messages("meets") if text.startswith("met ")
            )
            assert met == {"worker": 19, "ps": 11}

    run(work())


COUNTS: Final = """
import json, os, time
task = json.loads(os.environ["TF_CONFIG"])["task"]
for number in range(30):
    print(task["type"], task["index"], "line", number, flush=True)
    time.sleep(0.1)
while task["type"] == "ps":
    time.sleep(1)
"""
KILLED: Final = """
import asyncio, os, sys
from pathlib import Path
from emulator.datadir import DataDir
from tests.scenarios.test_clusters import CLUSTER, COUNTS
from tests.test_jobs import Room

async def work():
    data = DataDir(Path(sys.argv[1]) / "data")
    data.open()
    here = Room(data, Path(sys.argv[1]) / "code", sys.argv[2])
    await here.jobs.submit("p", here.module("counts", COUNTS, **CLUSTER))
    await here.until(lambda: "worker 1 line 3" in here.messages("counts"))
    os._exit(9)

asyncio.run(work())
"""


def test_a_killed_emulator_s_cluster_is_adopted_without_a_gap(
    tmp_path: Path, isolation: Isolation
) -> None:
    (tmp_path / "code").mkdir()

    async def work() -> None:
        killed = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", KILLED, str(tmp_path), isolation), cwd=ROOT, env={**os.environ}
        )
        assert await killed.wait() == 9
        async with room(tmp_path, isolation) as here:
            assert here.jobs.resume()
            ended = await here.ended("counts")

            assert ended.state == "SUCCEEDED", (ended.error_message, here.messages("counts"))
            for name in ("chief 0", "worker 0", "worker 1", "ps 0"):
                told = [text for text in here.messages("counts") if text.startswith(name)]
                whole = [f"{name} line {number}" for number in range(30)]
                assert told == (whole[: len(told)] if name == "ps 0" else whole)  # ps: stopped
            assert not any("is restarted" in text for text in here.messages("counts"))

    run(work())
