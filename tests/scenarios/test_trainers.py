"""Every trainer fixture, wherever this machine can run it, ends as it says it does.

Places are the isolation levels of processes, and containers where a Docker Engine answers.
"""

import contextlib
import fnmatch
import math
import os
import re
import runpy
import shutil
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
from emulator.exports.check import examine
from emulator.exports.folders import BucketFolder
from emulator.exports.gather import Question
from emulator.findings import Severity
from emulator.isolation import probe
from emulator.outcome import Outcome, read_saved_model, saved_models, wait
from emulator.package_index import PackageIndex
from emulator.rehearsal import package_of
from emulator.shipped import folder
from emulator.submission import Code, submit
from tests.event_files import scalars

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
    ("container", ""),
}
BRIEF_ONCE: Final = {  # with one runtime at one place
    "custom_loop": ("2.11", "namespaces"),
    "estimator_canned": ("1.15", "namespaces"),
    "estimator_custom": ("1.15", "namespaces"),
    "resumes": ("1.15", "namespaces"),
    "resumes_plain": None,  # a guide has it
    "scikit_learn": ("2.11", "namespaces"),
    "tuned_hypertune": ("2.11", "namespaces"),
    "tuned_keras": ("2.11", "namespaces"),
    "xgboost": ("1.15", "namespaces"),
}
BRIEF_AT_NONE: Final = {  # where a replica's names, files and ends differ from those in namespaces
    *("cluster_prints", "logs", "master_done_ps_joins", "out_of_memory"),
    *("prints", "signal_restart", "taxifare/tf2"),
}
IN_CONFORMANCE: Final = "gfile"  # at namespaces: tests/conformance/test_tensorflow.py
BUILD_S: Final = 1800  # an image with PyTorch is 2 GB
INSTALLER: Final = "cmle/test-installer:3.7"


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

    @property
    def is_long(self) -> bool:
        """Whether make test leaves it to make test-all."""
        if self.level == "container":
            return (self.name, self.runtime) not in BRIEF_IN_CONTAINERS
        if self.name in BRIEF_ONCE:
            return (self.runtime, self.level) != BRIEF_ONCE[self.name]
        if self.level == "namespaces":
            return self.name == IN_CONFORMANCE
        if probe().isolation != "namespaces":
            return False  # this level is all there is
        newest = self.expected.get("runtimes", [self.runtime])[-1]
        return self.runtime != newest or self.name not in BRIEF_AT_NONE

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
    if trial.is_long:
        marks.append(pytest.mark.soak)
    if trial.expected.get("image", {}).get("installs"):
        marks.append(pytest.mark.timeout(2 * BUILD_S))
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
def image(trial: Trial, work: Path) -> Iterator[None]:
    """The image that the job names, built of the trainer's Dockerfile, if it names one."""
    if "image" not in trial.expected:
        yield
        return
    name = trial.expected["image"]["name"]
    base = folder("docker") / "base"
    try:
        if trial.expected["image"].get("installs"):
            _docker(str(base / "base.sh"), "3.7")
            _docker("docker", "build", "--tag", INSTALLER, str(_installer(work / "installer")))
            given = ["--build-arg", f"BASE_IMAGE={INSTALLER}"]
        else:
            _docker(str(base / "probe.sh"), "3.7")
            given = []
        _docker("docker", "build", "--tag", name, *given, str(trial.code))
        yield
    finally:
        _docker("docker", "image", "rm", "--force", name, INSTALLER)


def _installer(context: Path) -> Path:
    """What makes a base image whose pip knows this machine's index and trusts whom it trusts."""
    index = PackageIndex.of_user(os.environ)
    context.mkdir()
    settings = {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in index.for_pip().items()
        if name != "PIP_FIND_LINKS"  # folders of this machine
    }
    if index.certificate:
        shutil.copy(index.certificate, context / "ca.crt")
        settings["cert"] = "/etc/index/ca.crt"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    (context / "pip.conf").write_text("\n".join(["[global]", *lines, ""]))
    (context / "Dockerfile").write_text(
        "FROM cmle/base:3.7\nCOPY . /etc/index\nENV PIP_CONFIG_FILE=/etc/index/pip.conf\n"
    )
    return context


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
def test_trainer_ends_as_expected(emulators: Emulators, trial: Trial, tmp_path: Path) -> None:
    with image(trial, tmp_path):
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
    _check_exported(client, outcome, trial, tmp_path)
    _check_metric(client, outcome, expected)


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


def _check_exported(client: Client, outcome: Outcome, trial: Trial, into: Path) -> None:
    """The file of a framework other than TensorFlow is one that its runtime serves."""
    if exported := trial.expected.get("exported"):
        folder = BucketFolder(client, f"{outcome.job_dir}/{exported['folder']}", into)
        question = Question(version=trial.runtime, framework=exported["framework"])
        report = examine(folder, question)
        assert report.count(Severity.ERROR) == 0, report.findings


def _check_metric(client: Client, outcome: Outcome, expected: dict[str, Any]) -> None:
    """The metric of a trial is where the service looks: in event files, with its tag."""
    if metric := expected.get("metric"):
        names = [entry["name"] for entry in client.storage.objects(f"{outcome.job_dir}/")]
        found = [name for name in names if fnmatch.fnmatch(name, f"*/{metric['files']}")]
        assert len(found) == 1, names
        content = client.storage.download(f"gs://fixtures/{found[0]}")
        written = [(step, value) for tag, step, value in scalars(content) if tag == metric["tag"]]
        assert written[-1][0] == metric["step"], written
        assert all(math.isfinite(value) and value > 0 for _, value in written)
