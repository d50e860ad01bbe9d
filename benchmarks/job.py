"""A job that only prints, beside ``python -m`` of its module in the same environment."""

import contextlib
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import Figure, Options, Row, median
from benchmarks.workers import runtime
from emulator.client import Client
from emulator.embedded import Emulator
from emulator.errors import OperatorError
from emulator.runtimes import Runtime
from emulator.server import default_cache_dir
from emulator.shipped import folder
from emulator.states import JobState
from emulator.submission import Code, with_packages

TARGET_S: Final = 0.6
POLL_S: Final = 0.01
POLL_SHARE: Final = 0.01  # of what has passed: asking must not cost what is measured
MODULE: Final = "trainer.task"
BUCKET: Final = "bench-jobs"


def figures(options: Options) -> Iterator[Figure]:
    trainer = folder("trainer_fixtures") / "prints"
    cache_dir = options.cache_dir or default_cache_dir()
    for version in options.runtimes:
        made = runtime(version, options)
        with (
            tempfile.TemporaryDirectory(prefix="cmle-bench-") as name,
            Emulator(options=["--cache-dir", str(cache_dir)]) as emulator,
            emulator.client() as client,
        ):
            copy = Path(shutil.copytree(trainer, Path(name) / "prints"))
            fresh = secrets.token_hex(8)  # no installation of it is kept
            (copy / "trainer" / "fresh.py").write_text(f"FRESH = {fresh!r}\n")
            yield compared(client, made, copy, options)


def compared(client: Client, made: Runtime, trainer: Path, options: Options) -> Figure:
    """``trainer``: a copy of the fixture that may be written to."""
    client.storage.create(BUCKET)
    job = {
        "trainingInput": {
            "scaleTier": "BASIC",
            "region": "us-central1",
            "pythonModule": MODULE,
            "runtimeVersion": made.version,
            "pythonVersion": made.python_version,
        }
    }
    code = Code(package_path=trainer / "trainer", staging_bucket=f"gs://{BUCKET}")
    job = with_packages(client, {"jobId": "bench", **job}, code)
    options.say("job: the first submission, which installs the package")
    first = submitted(client, {**job, "jobId": "bench_first"})
    here: list[float] = []
    direct: list[float] = []
    for number in range(options.times(5, 2)):
        options.say(f"job: round {number + 1}")
        here.append(submitted(client, {**job, "jobId": f"bench_{number}"}))
        direct.append(timed(lambda: plainly(made, trainer)))
    gcloud = shutil.which("gcloud")
    rounds = options.times(3, 1) if gcloud else 0
    local = [timed(lambda: locally(str(gcloud), made, trainer)) for _ in range(rounds)]
    more = median(here) - median(direct)
    peer = f"{median(local):.2f} s" if local else "gcloud is not here"
    return Figure(
        title=f"A job that only prints, runtime {made.version}, POST to SUCCEEDED",
        peer="gcloud ai-platform local train",
        rows=(
            Row(
                what="package installed already",
                here=f"{median(here):.2f} s",
                peer=peer,
                compared=f"{median(here) / median(local):.2f}x" if local else "",
            ),
            Row(
                what=f"the same beside python -m {MODULE}",
                here=f"{median(here):.2f} s",
                peer=f"{median(direct):.2f} s",
                compared=f"{more:+.2f} s",
                target=f"≤ +{TARGET_S} s",
                met=more <= TARGET_S,
            ),
            Row(
                what="first time, with the installation",
                here=f"{first:.2f} s",
                peer=peer,
                compared=f"{first / median(local):.2f}x" if local else "",
            ),
        ),
    )


def timed(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def submitted(client: Client, job: dict[str, Any]) -> float:
    """Seconds from the request to the answer that says SUCCEEDED."""
    began = time.perf_counter()
    client.create_job(job)
    while not JobState((found := client.job(job["jobId"]))["state"]).is_terminal:
        time.sleep(max(POLL_S, (time.perf_counter() - began) * POLL_SHARE))
    seconds = time.perf_counter() - began
    if found["state"] != JobState.SUCCEEDED:
        raise OperatorError(f"The job ended {found['state']}: {found.get('errorMessage')}")
    return seconds


def plainly(made: Runtime, trainer: Path) -> None:
    ran([made.python, "-m", MODULE], trainer, {})


def locally(gcloud: str, made: Runtime, trainer: Path, flags: Sequence[str] = ()) -> None:
    command = [gcloud, "ai-platform", "local", "train", "--module-name", MODULE]
    command += ["--package-path", str(trainer / "trainer"), *flags]
    variables = {
        "CLOUDSDK_CONFIG": str(trainer.parent / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_ML_ENGINE_LOCAL_PYTHON": made.python,
    }
    ran(command, trainer, variables)


def ran(command: list[str], cwd: Path, variables: dict[str, str]) -> None:
    plain = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cwd.parent)}
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(tempfile.TemporaryFile())
        status = subprocess.run(
            command, cwd=cwd, env=plain | variables, stdout=output, stderr=output, check=False
        ).returncode
        output.seek(0)
        text = output.read().decode(errors="replace")
    if status != 0 or "arguments: []" not in text:
        raise OperatorError(f"`{' '.join(command)}` ended with status {status}:\n{text}")
