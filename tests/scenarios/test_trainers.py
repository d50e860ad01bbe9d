"""Every trainer fixture, wherever this machine can run it, ends as it says it does.

Places are the isolation levels of processes, and containers where a Docker Engine answers.
"""

import contextlib
import re
import runpy
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from emulator import Emulator
from emulator.assertions import assert_servable
from emulator.client import Client
from emulator.isolation import probe
from emulator.outcome import Outcome, read_saved_model, saved_models, wait
from emulator.rehearsal import package_of
from emulator.shipped import folder
from emulator.submission import Code, submit

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

ROOT: Final = folder("trainer_fixtures")
WAYS: Final = {
    "none": ("--isolation", "none"),
    "namespaces": ("--isolation", "require"),
    "container": ("--runner", "docker"),
}
BRIEF_IN_CONTAINERS: Final = {  # the others, there, are for make test-all
    ("prints", "1.15"),
    ("fails", "1.15"),
    ("cluster_prints", "1.15"),
    ("estimator_ps", "1.15"),
    ("container", ""),
}
BRIEF: Final = {  # of those that have such a place; their others are for make test-all
    "resumes": ("1.15", "namespaces"),
    "resumes_plain": None,  # the guide has it
}
BUILD_S: Final = 300


class Trial(msgspec.Struct, frozen=True):
    """One fixture with one runtime version ("": its own image) at one place."""

    trainer: Path
    level: str
    options: tuple[str, ...]
    runtime: str

    @property
    def name(self) -> str:
        return str(self.trainer.relative_to(ROOT))

    @property
    def expected(self) -> dict[str, Any]:
        return tomllib.loads((self.trainer / "expected.toml").read_text())

    @property
    def code(self) -> Path:
        """The folder that has the trainer's code: its own, or one that several share."""
        return (self.trainer / str(self.expected.get("trainer", "."))).resolve()

    @property
    def job(self) -> dict[str, Any]:
        text = (self.trainer / "job.yaml").read_text().replace("{bucket}", "fixtures")
        job: dict[str, Any] = yaml.safe_load(text)
        if self.runtime:
            spec = job["trainingInput"]
            spec["runtimeVersion"] = self.runtime
            own = f"gs://fixtures/{self.runtime}/"  # nobody finds another's checkpoints
            spec["jobDir"] = spec["jobDir"].replace("gs://fixtures/", own)
        return {**job, "jobId": re.sub(r"\W", "_", f"{self.name}_{self.runtime}")}

    def pattern(self, text: str) -> str:
        """A pattern of ``expected.toml``: ``<worker-0>`` is that replica's host and port."""
        host = (
            r"localhost:\\d+" if self.level == "none" else r"cmle-training-\1-[0-9a-f]{10}-\2:2222"
        )
        return re.sub(r"<(master|worker|ps)-(\d+)>", host, text)


def trials() -> Iterator[Trial]:
    for path in sorted(ROOT.rglob("job.yaml")):
        expected = tomllib.loads((path.parent / "expected.toml").read_text())
        own = yaml.safe_load(path.read_text())["trainingInput"].get("runtimeVersion", "")
        given = [option.format(fixture=path.parent) for option in expected.get("options", [])]
        levels = ["container"] if expected.get("runner") == "docker" else list(WAYS)
        for level in levels:
            for runtime in expected.get("runtimes", [own]):
                yield Trial(path.parent, level, (*WAYS[level], *given), runtime)


def parameter(trial: Trial) -> Any:
    name = "-".join(filter(None, [trial.name, trial.runtime, trial.level]))
    marks = [pytest.mark.docker] if trial.level == "container" else []
    if marks and (trial.name, trial.runtime) not in BRIEF_IN_CONTAINERS:
        marks.append(pytest.mark.soak)
    here = (trial.runtime, trial.level)
    if trial.level != "container" and BRIEF.get(trial.name, here) != here:
        marks.append(pytest.mark.soak)
    if trial.level == "namespaces" and probe().isolation != "namespaces":
        marks.append(pytest.mark.skip(reason="this machine has no namespaces"))
    return pytest.param(trial, id=name, marks=marks)


def parameters() -> list[Any]:
    """Those with the same emulator follow one another."""
    return [parameter(trial) for trial in sorted(trials(), key=lambda trial: trial.options)]


class Emulators:
    """One emulator at a time: the last that was asked for stays for whoever asks the same."""

    def __init__(self) -> None:
        self._options: tuple[str, ...] | None = None
        self._running = contextlib.ExitStack()
        self._client: Client | None = None

    def client(self, options: tuple[str, ...]) -> Client:
        if self._client is None or options != self._options:
            self.close()
            self._client, self._options = self._start(options), options
        return self._client

    def _start(self, options: tuple[str, ...]) -> Client:
        emulator = self._running.enter_context(Emulator(options=options))
        client = self._running.enter_context(emulator.client())
        client.storage.create("fixtures")
        generate = runpy.run_path(str(ROOT / "taxifare" / "generate.py"))["generate"]
        local = emulator.data_dir / "generated"
        generate(str(local))
        client.storage.upload_folder("gs://fixtures/data", local)
        return client

    def close(self) -> None:
        self._client = None
        self._running.close()


@pytest.fixture(scope="module")
def emulators() -> Iterator[Emulators]:
    with contextlib.closing(Emulators()) as running:
        yield running


@contextlib.contextmanager
def image(trial: Trial) -> Iterator[None]:
    """The image that the job names, built of the trainer's Dockerfile, if it names one."""
    if "image" not in trial.expected:
        yield
        return
    name = trial.expected["image"]["name"]
    _docker(str(folder("docker") / "base" / "probe.sh"), "3.7")
    _docker("docker", "build", "--tag", name, str(trial.code))
    try:
        yield
    finally:
        _docker("docker", "image", "rm", "--force", name)


def _docker(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


def train(client: Client, trial: Trial) -> Outcome:
    package = package_of(trial.code) if trial.runtime else None
    job = trial.job
    for fault in trial.expected.get("faults", []):
        client.faults.add(**fault, job=job["jobId"])
    submit(client, job, Code(package, staging_bucket="gs://fixtures/staging"))
    return wait(client, job["jobId"], timeout_s=800)


@pytest.mark.parametrize("trial", parameters())
def test_trainer_ends_as_expected(emulators: Emulators, trial: Trial) -> None:
    with image(trial):
        client = emulators.client(trial.options)
        outcome = train(client, trial)
    expected = trial.expected
    report = f"{outcome.state}: {outcome.error_message}\n{outcome.last_lines(60)}"
    assert outcome.state == expected["state"], report
    assert re.search(expected.get("error_message", "^$"), outcome.error_message), report
    lines = _lines(outcome)
    for pattern in map(trial.pattern, expected["log"]):
        assert any(re.search(pattern, line) for line in lines), f"{pattern}\n{report}"
    for pattern in expected.get("no_log", []):
        assert not any(re.search(pattern, line) for line in lines), f"{pattern}\n{report}"
    _check_tasks(outcome, trial)
    _check_severities(outcome, expected)
    _check_files(client, outcome, expected)


def _lines(outcome: Outcome, task: str = "") -> list[str]:
    entries = [entry for entry in outcome.entries if not task or entry.task == task]
    return [line for entry in entries for line in entry.text.split("\n")]


def _check_tasks(outcome: Outcome, trial: Trial) -> None:
    for task, patterns in trial.expected.get("tasks", {}).items():
        lines = _lines(outcome, task)
        report = "\n  ".join([f"what {task} said:", *lines[-60:]])
        for pattern in map(trial.pattern, patterns):
            assert any(re.search(pattern, line) for line in lines), f"{pattern}\n{report}"


def _check_severities(outcome: Outcome, expected: dict[str, Any]) -> None:
    for text, severity in expected.get("severity", {}).items():
        found = {entry.severity for entry in outcome.entries if text in entry.text}
        assert found == {severity}, text


def _check_files(client: Client, outcome: Outcome, expected: dict[str, Any]) -> None:
    for name in expected.get("objects", []):
        assert client.storage.exists(f"{outcome.job_dir}/{name}")
    if "saved_model" in expected:
        found = saved_models(client, f"{outcome.job_dir}/export")
        assert found
        model = read_saved_model(client, found[-1])  # who trains late exports once more
        assert_servable(model, expected["signature"], outputs=expected["outputs"])
