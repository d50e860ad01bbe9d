"""The main job, once, for real: package, submit, train, export, deploy, predict."""

import asyncio
import contextlib
import json
import re
import runpy
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emulator.assertions import assert_predictions, assert_servable
from emulator.client import Client
from emulator.datadir import DataDir
from emulator.embedded import Emulator
from emulator.errors import OperatorError
from emulator.names import version_name
from emulator.outcome import read_saved_model, saved_models
from emulator.package_index import PackageIndex
from emulator.progress import Step
from emulator.runtimes import Policy, Runtime, Runtimes
from emulator.savedmodel import DEFAULT_SIGNATURE, Signature, summary
from emulator.shipped import folder
from emulator.states import JobState
from emulator.storage.binary import find_or_obtain
from emulator.submission import Code, submit

MODEL: Final = "taxifare"
PYTHON_VERSION: Final = "3.7"
FORMS: Final = {"1.15": "tf1", "2.11": "tf2"}
LOSS: Final = re.compile(r"\bloss = ([0-9.]+(?:e[+-]?\d+)?), step = (\d+)")
TIMES_S: Final = 1800.0
INSTANCES: Final = (
    {  # across the park
        "key": "short",
        "pickup_longitude": -73.9818,
        "pickup_latitude": 40.7681,
        "dropoff_longitude": -73.9587,
        "dropoff_latitude": 40.7736,
        "passenger_count": 1,
    },
    {  # down Manhattan
        "key": "middle",
        "pickup_longitude": -73.9712,
        "pickup_latitude": 40.7831,
        "dropoff_longitude": -74.0134,
        "dropoff_latitude": 40.7033,
        "passenger_count": 2,
    },
    {  # to the airport
        "key": "long",
        "pickup_longitude": -73.9857,
        "pickup_latitude": 40.7484,
        "dropoff_longitude": -73.7781,
        "dropoff_latitude": 40.6413,
        "passenger_count": 4,
    },
)


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen about a demonstration; ``environment`` is the user's own."""

    data_dir: Path
    cache_dir: Path
    environment: Mapping[str, str]
    url: str = ""  # of an emulator elsewhere, with its ``project``
    project: str = ""
    runtime_version: str = "2.11"
    runtime_policy: Policy = "nearest"
    wheelhouse: Path | None = None
    fake_gcs_server: Path | None = None
    train_steps: int = 400


def demonstrate(choices: Choices, console: Console) -> dict[str, Any]:
    """Do everything, show it and answer it; an error of any stage comes out of here."""
    return _Demo(choices, console).run()


class _Demo:
    def __init__(self, choices: Choices, console: Console) -> None:
        if choices.runtime_version not in FORMS:
            raise OperatorError(
                f"The demonstration knows runtime versions {' and '.join(FORMS)}, "
                f"not {choices.runtime_version}."
            )
        self._choices = choices
        self._console = console
        self._times: dict[str, float] = {}
        self._status = console.status("")
        stamp = f"{time.strftime('%Y%m%d_%H%M%S', time.gmtime())}_{secrets.token_hex(2)}"
        self._job_id = f"taxifare_{stamp}"
        self._version_id = f"v{stamp}"
        self._losses: list[float] = []

    def run(self) -> dict[str, Any]:
        runtime = None
        if not self._choices.url:
            with self._stage("set up"):
                runtime = self._set_up()
        with contextlib.ExitStack() as stack:
            with self._stage("start the emulator"):
                client = stack.enter_context(self._emulator(stack))
                bucket = f"{client.project}-demo"
                self._say(f"It answers at {client.url}.")
            with self._stage("make and upload data"):
                self._upload_data(client, bucket)
            with self._stage("train"):
                job = self._train(client, bucket, runtime)
            with self._stage("check the export"):
                uri, signatures = self._check(client, job)
            with self._stage("deploy"):
                self._deploy(client, uri)
            with self._stage("predict"):
                predictions = self._predict(client)
        self._report(runtime, job, uri, signatures, predictions)
        return {
            "job": job,
            "tensorflow": runtime.tensorflow if runtime else None,
            "savedModel": uri,
            "instances": INSTANCES,
            "predictions": predictions,
            "seconds": {name: round(seconds, 3) for name, seconds in self._times.items()},
        }

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self._console.print(f"[bold]▸ {name}[/bold]")
        self._beside(name)
        with self._status:
            yield
        self._times[name] = time.monotonic() - began

    def _say(self, text: str, *, style: str = "") -> None:
        self._console.print(f"  {text}", style=style, markup=False, soft_wrap=True)

    def _beside(self, text: str) -> None:
        """What stands beside the spinner."""
        self._status.update(Text(text))

    def _step(self, text: str) -> None:
        """One of many lines of progress: on a terminal the newest stands beside the spinner."""
        if self._console.is_terminal:
            self._beside(text[: self._console.width - 4])
        else:
            self._say(text)

    def _set_up(self) -> Runtime:
        choices = self._choices
        program = find_or_obtain(choices.fake_gcs_server, choices.cache_dir, self._step)
        self._say(f"Cloud Storage: {program}")
        index = (
            PackageIndex.of_wheelhouse(choices.wheelhouse)
            if choices.wheelhouse
            else PackageIndex.of_user(choices.environment)
        )
        runtimes = Runtimes(
            choices.cache_dir,
            index=index,
            environment=choices.environment,
            policy=choices.runtime_policy,
        )
        runtime = asyncio.run(
            runtimes.ensure(choices.runtime_version, PYTHON_VERSION, self._runtime_step)
        )
        self._say(
            f"Runtime version {choices.runtime_version}: TensorFlow {runtime.tensorflow} "
            f"on Python {runtime.actual_python}"
        )
        if runtime.warning:
            self._say(runtime.warning, style="yellow")
        return runtime

    def _runtime_step(self, step: Step) -> None:
        self._step(f"{step.subject}: {step.text}")

    def _emulator(self, stack: contextlib.ExitStack) -> Client:
        choices = self._choices
        if choices.url:
            return Client(choices.url, choices.project)
        self._say(f"Its data is in {choices.data_dir}.")
        running = DataDir(choices.data_dir).endpoint()
        if running is not None:
            self._say(f"One runs here already (process {running.pid}).")
            return Client(running.url, running.project)
        options = ["--runtime-policy", choices.runtime_policy]
        options += ["--cache-dir", str(choices.cache_dir)]
        if choices.wheelhouse:
            options += ["--wheelhouse", str(choices.wheelhouse)]
        if choices.fake_gcs_server:
            options += ["--fake-gcs-server", str(choices.fake_gcs_server)]
        return stack.enter_context(Emulator(choices.data_dir, options=options)).client()

    def _upload_data(self, client: Client, bucket: str) -> None:
        generator = runpy.run_path(str(folder("trainer_fixtures") / "taxifare" / "generate.py"))
        client.storage.create(bucket, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="cmle-demo-") as local:
            generator["generate"](local)
            for uri in client.storage.upload_folder(f"gs://{bucket}/data", Path(local)):
                self._say(uri)

    def _train(self, client: Client, bucket: str, runtime: Runtime | None) -> dict[str, Any]:
        choices = self._choices
        form = folder("trainer_fixtures") / "taxifare" / FORMS[choices.runtime_version]
        training = {
            "scaleTier": "BASIC",
            "region": "us-central1",
            "runtimeVersion": choices.runtime_version,
            "pythonVersion": PYTHON_VERSION,
            "pythonModule": "trainer.task",
            "jobDir": f"gs://{bucket}/{self._job_id}",
            "args": [
                f"--train-data-paths=gs://{bucket}/data/train-*.csv",
                f"--eval-data-paths=gs://{bucket}/data/valid-*.csv",
                f"--train-steps={choices.train_steps}",
            ],
        }
        job = {"jobId": self._job_id, "trainingInput": training}
        code = Code(
            package_path=form / "trainer",
            staging_bucket=f"gs://{bucket}/staging",
            python=Path(runtime.python) if runtime else None,
        )
        submit(client, job, code)
        self._say(f"Job [{self._job_id}] submitted: {', '.join(code_names(form))}.")
        ended = self._follow(client)
        if ended["state"] != JobState.SUCCEEDED:
            raise OperatorError(f"The job ended as {ended['state']}: {ended.get('errorMessage')}")
        if len(self._losses) > 1 and self._losses[-1] >= self._losses[0]:
            raise OperatorError(
                f"The loss did not fall: first {self._losses[0]:g}, last {self._losses[-1]:g}."
            )
        return ended

    def _follow(self, client: Client) -> dict[str, Any]:
        states: list[str] = []

        def seen(job: dict[str, Any]) -> None:
            if not states or states[-1] != job["state"]:
                states.append(job["state"])
                self._say(f"state {job['state']}", style="cyan")
                self._beside(f"{job['state']} …")

        for entry in client.follow(self._job_id, seen=seen):
            self._say(f"{entry.severity:<7} {entry.task}  {entry.text}", style="dim")
            if found := LOSS.search(entry.text):
                self._losses.append(float(found[1]))
                self._beside(f"{states[-1]} · step {found[2]} · loss {found[1]}")
        return client.job(self._job_id)

    def _check(self, client: Client, job: Mapping[str, Any]) -> tuple[str, dict[str, Signature]]:
        job_dir = job["trainingInput"]["jobDir"]
        found = saved_models(client, f"{job_dir}/export")
        if not found:
            raise OperatorError(f"The job exported no SavedModel below {job_dir}/export.")
        model = read_saved_model(client, found[-1])
        _checked(assert_servable, model, inputs=sorted(INSTANCES[0]), outputs=["predictions"])
        self._say(found[-1])
        return found[-1], model.tagged("serve")[0].callable_signatures

    def _deploy(self, client: Client, uri: str) -> None:
        if MODEL not in {model["name"].rpartition("/")[2] for model in client.models()}:
            client.create_model(MODEL, regions=["us-central1"])
        version = {
            "name": self._version_id,
            "deploymentUri": uri,
            "runtimeVersion": self._choices.runtime_version,
            "pythonVersion": PYTHON_VERSION,
            "framework": "TENSORFLOW",
        }
        operation = client.create_version(MODEL, version)
        client.wait_operation(operation, timeout_s=TIMES_S)
        self._say(version_name(client.project, MODEL, self._version_id))

    def _predict(self, client: Client) -> list[Any]:
        answer = client.predict(MODEL, self._version_id, {"instances": list(INSTANCES)})
        if "error" in answer:
            raise OperatorError(f"The version answered with an error: {answer['error']}")
        return list(_checked(assert_predictions, answer, count=len(INSTANCES)))

    def _report(
        self,
        runtime: Runtime | None,
        job: Mapping[str, Any],
        uri: str,
        signatures: Mapping[str, Signature],
        predictions: list[Any],
    ) -> None:
        table = Table(title="What happened", show_header=False, title_justify="left")
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row("job", str(job["jobId"]))
        table.add_row("state", str(job["state"]))
        if runtime:
            table.add_row("runtime", f"{runtime.version} (TensorFlow {runtime.tensorflow})")
        if self._losses:
            table.add_row("loss", f"{self._losses[0]:.2f} → {self._losses[-1]:.2f}")
        for name, seconds in self._times.items():
            table.add_row(f"time: {name}", f"{seconds:.1f} s")
        table.add_row("time: all", f"{sum(self._times.values()):.1f} s")
        table.add_row("SavedModel", Text(uri))
        for name, signature in signatures.items():
            mark = " (the default)" if name == DEFAULT_SIGNATURE else ""
            lines = [f"{name}{mark}", *summary(signature)]
            table.add_row("signature", Text("\n".join(lines)))
        for instance, prediction in zip(INSTANCES, predictions, strict=True):
            table.add_row("instance", Text(json.dumps(instance)))
            table.add_row("prediction", Text(json.dumps(prediction)), style="green")
        self._console.print(table)


def code_names(form: Path) -> list[str]:
    """The files of the trainer, as they are submitted."""
    return [str(path.relative_to(form)) for path in sorted(form.glob("trainer/*.py"))]


def _checked(assertion: Any, *given: Any, **named: Any) -> Any:
    try:
        return assertion(*given, **named)
    except AssertionError as error:
        raise OperatorError(str(error)) from error
