"""Scale tiers: jobs of one replica, of five and of 31, as processes and as containers."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks import job as one_job
from benchmarks.engine import Engine, Missing
from benchmarks.measuring import Figure, Memory, Options, Row, median, ratio, wait_until
from benchmarks.places import BUCKET, Peak, Place, containers, processes
from benchmarks.workers import runtime
from emulator.runtimes import Runtime
from emulator.shipped import folder
from emulator.states import JobState
from emulator.submission import Code, with_packages

PREMIUM: Final = 31
BASIC_S: Final = 0.7
GONE_S: Final = 2.0
PREMIUM_S: Final = 25.0
PRINTING_S: Final = 2.0
GONE_RATIO: Final = 2.0
PREMIUM_RATIO: Final = 1.5
POLL_S: Final = 0.01
PATIENCE_S: Final = 300.0
COMMAND: Final = ("python3", "-m", one_job.MODULE)
SMALL: Final = {
    "scaleTier": "CUSTOM",
    "masterType": "n1-standard-4",
    "workerType": "n1-standard-4",
    "workerCount": "2",
    "parameterServerType": "n1-standard-4",
    "parameterServerCount": "2",
}
SMALL_COUNT: Final = 5


def figures(options: Options) -> Iterator[Figure]:
    version = options.runtimes[0]
    made = runtime(version, options)
    with contextlib.ExitStack() as stack:
        trainers = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmle-bench-")))
        for name in ("prints", "sleeps", "cluster_prints"):
            shutil.copytree(folder("trainer_fixtures") / name, trainers / name)
        here = Bench(stack.enter_context(processes(options)), trainers, made, options)
        yield printing(here)
        try:
            engine = stack.enter_context(Engine.connected())
        except Missing as missing:
            yield premium(here, None, str(missing))
            yield removal(here, None, str(missing))
            return
        inside = Bench(stack.enter_context(containers(options, engine)), trainers, made, options)
        yield basic(inside, engine)
        yield premium(here, (inside, engine))
        yield removal(here, (inside, engine))


class Bench:
    """Jobs of the benchmark's trainers at one place; nothing is installed twice."""

    def __init__(self, place: Place, trainers: Path, made: Runtime, options: Options) -> None:
        self.place = place
        self.trainers = trainers
        self.made = made
        self.options = options
        self._count = 0

    def job(self, trainer: str, **training: Any) -> dict[str, Any]:
        """A Job of the trainer, its package stored, without its id."""
        described = {
            "scaleTier": "BASIC",
            "region": "us-central1",
            "pythonModule": one_job.MODULE,
            "runtimeVersion": self.made.version,
            "pythonVersion": self.made.python_version,
            **training,
        }
        code = Code(self.trainers / trainer / "trainer", staging_bucket=f"gs://{BUCKET}")
        return with_packages(
            self.place.client, {"jobId": "bench", "trainingInput": described}, code
        )

    def seconds(self, job: dict[str, Any]) -> float:
        """From the POST to the answer SUCCEEDED."""
        return one_job.submitted(self.place.client, {**job, "jobId": self._next()})

    def first(self, job: dict[str, Any], what: str) -> Memory:
        """Run it once, so that its package is installed; the most memory that was in use."""
        self.options.say(f"tiers: {what}, the first time")
        with Peak(self.place.memory_of_jobs) as peak:
            self.seconds(job)
        return peak.memory

    def gone(self, job: dict[str, Any]) -> float:
        """From the cancellation of a job that runs to nothing left of it."""
        client, job_id = self.place.client, self._next()
        before = self.place.of_jobs()
        client.create_job({**job, "jobId": job_id})
        wait_until(
            lambda: client.job(job_id)["state"] == JobState.RUNNING,
            deadline_s=PATIENCE_S,
            every_s=0.1,
        )
        time.sleep(1)
        began = time.perf_counter()
        client.cancel_job(job_id)
        wait_until(
            lambda: self.place.of_jobs() <= before,
            deadline_s=PATIENCE_S,
            every_s=POLL_S,
        )
        return time.perf_counter() - began

    def _next(self) -> str:
        self._count += 1
        return f"bench_{self._count}"


def basic(inside: Bench, engine: Engine) -> Figure:
    job = inside.job("prints")
    inside.first(job, "one container")
    image = engine.runtime_image(inside.made.version)
    here, peer = [], []
    for _ in range(inside.options.times(5, 2)):
        here.append(inside.seconds(job))
        peer.append(engine.run(image, COMMAND, inside.trainers / "prints"))
    more = median(here) - median(peer)
    return Figure(
        title=f"A BASIC job in a container, runtime {inside.made.version}, POST to SUCCEEDED",
        peer="docker run",
        rows=(
            Row(
                what="package installed already",
                here=f"{median(here):.2f} s",
                peer=f"{median(peer):.2f} s",
                compared=f"{more:+.2f} s",
                target=f"≤ +{BASIC_S} s",
                met=more <= BASIC_S,
            ),
        ),
    )


def premium(here: Bench, there: tuple[Bench, Engine] | None, missing: str = "") -> Figure:
    what = f"{PREMIUM} replicas that greet one another"
    job = here.job("cluster_prints", scaleTier="PREMIUM_1")
    memory = here.first(job, f"{what}, processes")
    seconds = [here.seconds(job) for _ in range(here.options.times(3, 1))]
    rows = [
        Row(
            what="processes",
            here=f"{median(seconds):.1f} s",
            target=f"≤ {PREMIUM_S:g} s",
            met=median(seconds) <= PREMIUM_S,
        ),
        Row(what="processes, peak memory", here=str(memory)),
    ]
    rows += _premium_in_containers(*there) if there else [Row(what="containers", here=missing)]
    return Figure(
        title=f"PREMIUM_1: {what}, POST to SUCCEEDED", peer="bare containers", rows=tuple(rows)
    )


def _premium_in_containers(inside: Bench, engine: Engine) -> list[Row]:
    job = inside.job("cluster_prints", scaleTier="PREMIUM_1")
    memory = inside.first(job, f"{PREMIUM} containers")
    image = engine.runtime_image(inside.made.version)
    here, peer = [], []
    for _ in range(inside.options.times(3, 1)):
        here.append(inside.seconds(job))
        peer.append(engine.crowd(image, PREMIUM, ["python3", "-c", "print(1)"]))
    return [
        Row(
            what="containers",
            here=f"{median(here):.1f} s",
            peer=f"{median(peer):.1f} s",
            compared=f"{ratio(here, peer):.2f}x",
            target=f"≤ {PREMIUM_RATIO:g}x",
            met=ratio(here, peer) <= PREMIUM_RATIO,
        ),
        Row(what="containers, peak memory", here=str(memory)),
    ]


def removal(here: Bench, there: tuple[Bench, Engine] | None, missing: str = "") -> Figure:
    rounds = here.options.times(3, 1)
    seconds = [here.gone(_sleeping(here)) for _ in range(rounds)]
    rows = [
        Row(
            what="processes",
            here=f"{median(seconds):.2f} s",
            target=f"≤ {GONE_S:g} s",
            met=median(seconds) <= GONE_S,
        )
    ]
    if there is None:
        rows.append(Row(what="containers", here=missing))
    else:
        inside, engine = there
        image = engine.runtime_image(inside.made.version)
        gone, removed = [], []
        for number in range(rounds):
            here.options.say(f"tiers: removal of {PREMIUM} containers, round {number + 1}")
            gone.append(inside.gone(_sleeping(inside)))
            removed.append(engine.removal(image, PREMIUM))
        rows.append(
            Row(
                what="containers",
                here=f"{median(gone):.2f} s",
                peer=f"{median(removed):.2f} s",
                compared=f"{ratio(gone, removed):.2f}x",
                target=f"≤ {GONE_RATIO:g}x",
                met=ratio(gone, removed) <= GONE_RATIO,
            )
        )
    return Figure(
        title=f"The end of {PREMIUM} replicas that run: cancelled, to nothing left",
        peer="the engine's removal",
        rows=tuple(rows),
    )


def _sleeping(bench: Bench) -> dict[str, Any]:
    """Replicas that end when they are told to, so that the grace ends at once."""
    return bench.job("sleeps", scaleTier="PREMIUM_1", args=["--every=3600"])


def printing(here: Bench) -> Figure:
    job = here.job("prints", **SMALL)
    here.first(job, "a small cluster")
    trainer = here.trainers / "prints"
    seconds, slowest = [], []
    for _ in range(here.options.times(5, 2)):
        seconds.append(here.seconds(job))
        slowest.append(_slowest(here.made, trainer))
    gcloud = shutil.which("gcloud")
    local = [
        one_job.timed(lambda: _locally(str(gcloud), here.made, trainer))
        for _ in range(here.options.times(1, 0) if gcloud else 0)  # it takes minutes
    ]
    more = median(seconds) - median(slowest)
    return Figure(
        title="A master, 2 workers and 2 parameter servers that only print, POST to SUCCEEDED",
        peer="beside",
        rows=(
            Row(
                what=f"the slowest of {SMALL_COUNT} python -m at once",
                here=f"{median(seconds):.2f} s",
                peer=f"{median(slowest):.2f} s",
                compared=f"{more:+.2f} s",
                target=f"≤ +{PRINTING_S:g} s",
                met=more <= PRINTING_S,
            ),
            Row(
                what="gcloud ai-platform local train --distributed",
                here=f"{median(seconds):.2f} s",
                peer=f"{median(local):.2f} s" if local else "not run",
                compared=f"{median(seconds) / median(local):.2f}x" if local else "",
            ),
        ),
    )


def _slowest(made: Runtime, trainer: Path) -> float:
    with ThreadPoolExecutor(SMALL_COUNT) as pool:
        runs = [
            pool.submit(one_job.timed, lambda: one_job.plainly(made, trainer))
            for _ in range(SMALL_COUNT)
        ]
        return max(run.result() for run in runs)


def _locally(gcloud: str, made: Runtime, trainer: Path) -> None:
    counts = ("--distributed", "--worker-count", "2", "--parameter-server-count", "2")
    one_job.locally(gcloud, made, trainer, counts)
