"""The pytest plugin: one emulator for a run, and what a test does there, as fixtures."""

import os
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from emulator.meeting import Meeting

if TYPE_CHECKING:
    from emulator.answer import Answer
    from emulator.client import Client
    from emulator.clock import Clock
    from emulator.engine import Engine
    from emulator.injection import Injection
    from emulator.outcome import Outcome
    from emulator.rehearsal import Rehearsal
    from emulator.savedmodel import SavedModel
    from emulator.testing import FakeService, Interception
    from emulator.versions import Deployed

MARKERS: Final = {
    "scale_tier": "cmle_scale_tier",
    "runtime_version": "cmle_runtime_version",
    "runner": "cmle_runner",
}
RUNNER: Final = "process"
GRACE_S: Final = "5"  # what a killed emulator leaves: its run ends with it
MEETING: Final = pytest.StashKey[Meeting]()
PROJECT: Final = pytest.StashKey[str]()
BEGAN: Final = pytest.StashKey[float]()  # of a test, in seconds since the epoch
FAILED: Final = pytest.StashKey[bool]()
REHEARSAL: Final = pytest.StashKey["Rehearsal"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "cmle_serve",
        type="args",
        help="flags of `cmle serve` for the emulator of the tests, such as --isolation require",
    )
    group = parser.getgroup("cmle", "Cloud ML Engine")
    group.addoption(
        "--cmle-runner",
        metavar="RUNNER",
        help=f"where jobs run, as for `cmle serve --runner` (else {RUNNER}); "
        "tests that are marked for other runners are skipped",
    )
    group.addoption(
        "--cmle-keep",
        action="store_true",
        help="keep the buckets, jobs and models of tests that fail, and say where they are",
    )
    group.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files of cmle_golden instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    for name, fixture in MARKERS.items():
        text = f"{name}(*values): run the test once for each value of {fixture}"
        config.addinivalue_line("markers", text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    only = metafunc.config.getoption("--cmle-runner")
    for name, fixture in MARKERS.items():
        mark = metafunc.definition.get_closest_marker(name)
        if mark is None or fixture not in metafunc.fixturenames:
            continue
        of_others = pytest.mark.skip(reason=f"--cmle-runner {only}")
        values = [
            pytest.param(value, marks=of_others)
            if name == "runner" and only and value != only
            else value
            for value in mark.args
        ]
        metafunc.parametrize(fixture, values, indirect=True)


# The run: its processes meet in a folder; see emulator.meeting.


def _meeting(config: pytest.Config) -> Meeting:
    if MEETING not in config.stash:
        named = getattr(config, "workerinput", {}).get("cmle_meeting")
        config.stash[MEETING] = Meeting(Path(named) if named else _folder(config))
    return config.stash[MEETING]


def _folder(config: pytest.Config) -> Path:
    """Below pytest's own folder for the run, which its rules for old ones apply to."""
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is None:  # -p no:tmpdir
        import tempfile

        return Path(tempfile.mkdtemp(prefix="cmle-"))
    return cast("Path", factory.getbasetemp()) / "cmle"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller of pytest-xdist: workers of this machine meet in one place.

    The controller takes part, so that an emulator stays while other workers may yet ask for it.
    """
    if node.gateway.spec.popen:
        meeting = _meeting(node.config)
        meeting.hold()
        node.workerinput["cmle_meeting"] = str(meeting.folder)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(sched: Any) -> None:
    """A worker was killed by its test: that is a failure, too."""
    if sched.config.getoption("--cmle-keep"):
        for room in _meeting(sched.config).rooms():
            room.keep()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if MEETING not in config.stash:
        return
    for room in config.stash[MEETING].rooms():
        if room.is_kept:
            terminalreporter.section("cmle")
            terminalreporter.line(f"The data of the tests that failed is kept in {room.data}")
            terminalreporter.line(f"`cmle serve --data-dir {room.data}` opens it again.")
        if words := room.words():
            terminalreporter.section("cmle")
            terminalreporter.line(words)


def pytest_unconfigure(config: pytest.Config) -> None:
    if MEETING not in config.stash:
        return
    meeting = config.stash[MEETING]
    if hasattr(config, "workerinput"):
        meeting.release()
    else:
        meeting.leave()


# The report of a test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    ours = "cmle_engine" in getattr(item, "fixturenames", ())
    if ours and call.excinfo is not None and not item.config.getoption("fulltrace"):
        from emulator.failures import shorten

        shorten(call.excinfo)
    report = yield
    if call.when == "setup":
        item.stash[BEGAN] = call.start
    if report.failed and call.when != "teardown":
        item.stash[FAILED] = True
        if ours and (engine := getattr(item, "funcargs", {}).get("cmle_engine")):
            from emulator.failures import sections

            rehearsal = item.stash.get(REHEARSAL, None)
            keeps = bool(item.config.getoption("--cmle-keep"))
            report.sections.extend(sections(engine, rehearsal, item.stash[BEGAN], keeps=keeps))
    return report


# Fixtures of the run


@pytest.fixture(scope="session")
def cmle_runner(request: pytest.FixtureRequest) -> str:
    """Where jobs run: of the marker ``runner``, else of ``--cmle-runner``."""
    chosen = request.config.getoption("--cmle-runner") or RUNNER
    return str(getattr(request, "param", chosen))


@pytest.fixture(scope="session")
def cmle_engine(pytestconfig: pytest.Config, cmle_runner: str) -> "Engine":
    """The emulator of the run, one for all workers of pytest-xdist, and a project for each."""
    from emulator.shared import join

    if PROJECT not in pytestconfig.stash:
        pytestconfig.stash[PROJECT] = f"cmle-tests-{os.urandom(4).hex()}"
    options = ["--grace", GRACE_S, *pytestconfig.getini("cmle_serve"), "--runner", cmle_runner]
    meeting, project = _meeting(pytestconfig), pytestconfig.stash[PROJECT]
    return join(meeting, cmle_runner, project=project, options=options)


# Fixtures of a test


@pytest.fixture
def cmle_project() -> str:
    """A project of the test's own; the test's other fixtures use it, too."""
    return f"cmle-test-{os.urandom(4).hex()}"


@pytest.fixture
def cmle_scale_tier(request: pytest.FixtureRequest) -> str:
    """The tier of the test's jobs: of the marker ``scale_tier``, else BASIC."""
    return str(getattr(request, "param", "BASIC"))


@pytest.fixture
def cmle_runtime_version(request: pytest.FixtureRequest) -> str:
    """The runtime version of jobs and versions: of the marker ``runtime_version``, else 2.11."""
    return str(getattr(request, "param", "2.11"))


@pytest.fixture
def _cmle_rehearsal(
    cmle_engine: "Engine",
    cmle_scale_tier: str,
    cmle_runtime_version: str,
    request: pytest.FixtureRequest,
) -> "Iterator[Rehearsal]":
    """What the test does at the emulator; ended with it."""
    from emulator.rehearsal import Rehearsal

    own = "cmle_project" in request.fixturenames
    project = request.getfixturevalue("cmle_project") if own else ""
    defaults = {"scale_tier": cmle_scale_tier, "runtime_version": cmle_runtime_version}
    with Rehearsal(cmle_engine, request.node.name, project=project, defaults=defaults) as rehearsal:
        request.node.stash[REHEARSAL] = rehearsal
        yield rehearsal
        keeps = request.config.getoption("--cmle-keep")
        rehearsal.is_kept = bool(keeps and request.node.stash.get(FAILED, False))


@pytest.fixture
def cmle_client(_cmle_rehearsal: "Rehearsal") -> "Client":
    """The emulator's own small client for the test's project; ``.storage`` for its buckets."""
    return _cmle_rehearsal.client


@pytest.fixture
def cmle_bucket(_cmle_rehearsal: "Rehearsal") -> str:
    """The name of an empty bucket that only this test has."""
    return _cmle_rehearsal.bucket


@pytest.fixture
def cmle_storage(_cmle_rehearsal: "Rehearsal", cmle_engine: "Engine") -> Iterator[Any]:
    """A google.cloud.storage.Client for the test's project, where that is installed.

    Elsewhere the emulator's own ``cmle_client.storage``, which knows gs:// URIs.
    """
    try:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage
    except ImportError:
        yield _cmle_rehearsal.client.storage
        return
    client = storage.Client(
        project=_cmle_rehearsal.project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": cmle_engine.url},
    )
    yield client
    client.close()


@pytest.fixture
def cmle_ml(_cmle_rehearsal: "Rehearsal", cmle_engine: "Engine") -> Iterator[Any]:
    """The API as ``discovery.build("ml", "v1")`` gives it, where that is installed.

    Elsewhere the emulator's own ``cmle_client``.
    """
    try:
        from google.auth.credentials import AnonymousCredentials
        from googleapiclient import discovery
    except ImportError:
        yield _cmle_rehearsal.client
        return
    api = discovery.build(
        "ml",
        "v1",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        cache_discovery=False,
        client_options={"api_endpoint": cmle_engine.url},
    )
    yield api
    api.close()


@pytest.fixture
def cmle_submit(_cmle_rehearsal: "Rehearsal") -> "Callable[..., Outcome]":
    """Submits a trainer, waits until the job has ended, answers its Outcome.

    ``cmle_submit(folder, ["--train-steps=10"], runtime_version="2.11")``: a package
    directory, the trainer's arguments, fields of ``trainingInput`` and ``timeout_s``.
    """
    return _cmle_rehearsal.submit


@pytest.fixture
def cmle_start(_cmle_rehearsal: "Rehearsal") -> Callable[..., str]:
    """As ``cmle_submit``, but answers the job's id at once; ended with the test."""
    return _cmle_rehearsal.start


@pytest.fixture
def cmle_wait(_cmle_rehearsal: "Rehearsal") -> "Callable[..., Outcome]":
    """``cmle_wait(job_id, timeout_s=60)``: the Outcome of any job of the test's project."""
    return _cmle_rehearsal.wait


@pytest.fixture
def cmle_logs(_cmle_rehearsal: "Rehearsal") -> Callable[[str], list[str]]:
    """``cmle_logs(job_id)``: the lines of a job's log so far."""
    return _cmle_rehearsal.logs


@pytest.fixture
def cmle_clock(cmle_project: str, _cmle_rehearsal: "Rehearsal") -> "Clock":
    """The time of the test's own project: ``cmle_clock.advance(hours=2)``; trainers do not have it.

    ``cmle_clock.queue_jobs(hours=1)`` keeps the jobs that follow QUEUED for as long.
    """
    del cmle_project
    return _cmle_rehearsal.client.clock


@pytest.fixture
def cmle_saved_model(_cmle_rehearsal: "Rehearsal") -> "Callable[[Outcome | str], SavedModel]":
    """``cmle_saved_model(outcome)``: the newest SavedModel that a job left, or a gs:// folder."""
    return _cmle_rehearsal.saved_model


@pytest.fixture
def cmle_deploy(_cmle_rehearsal: "Rehearsal") -> "Callable[..., Deployed]":
    """Deploys an Outcome's SavedModel, a gs:// folder or a local one; taken back with the test.

    ``cmle_deploy(outcome, model="taxi", machine_type="mls1-c1-m2")``: fields of a Version.
    """
    return _cmle_rehearsal.deploy


@pytest.fixture
def cmle_predict(_cmle_rehearsal: "Rehearsal") -> "Callable[..., Answer]":
    """``cmle_predict(deployed, instances)``: the answer's document, which knows its instances."""
    return _cmle_rehearsal.versions.predict


@pytest.fixture
def cmle_faults(_cmle_rehearsal: "Rehearsal") -> "Iterator[Injection]":
    """Faults of the test's project, taken back with the test; see ``emulator.injection``.

    ``cmle_faults.preempt(replica="worker-0", at_step=50)``, ``.storage(status=503, share=0.2)``.
    """
    with _cmle_rehearsal.client.faults as faults:
        yield faults


@pytest.fixture
def cmle_fake_service() -> "FakeService":
    """The script that ``cmle_intercept`` follows; a test's own fixture of this name replaces it."""
    from emulator.testing import fake_service

    return fake_service()


@pytest.fixture
def cmle_intercept(cmle_fake_service: "FakeService") -> "Iterator[Interception]":
    """Requests to Google's hosts are answered in this process, for the time of the test."""
    from emulator.testing import intercept

    with intercept(cmle_fake_service) as cloud:
        yield cloud


@pytest.fixture
def cmle_golden(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Compares predictions with the golden file of this test; ``--update-golden`` writes it.

    ``cmle_golden(answer, instances=[…], tolerance=1e-3)``: the file is
    ``golden/<test file>.<test>.json`` beside the test; ``name="…"`` is for a second one.
    """
    from emulator.assertions import assert_golden

    test = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{request.path.stem}.{request.node.name}").strip("_")
    update = bool(request.config.getoption("--update-golden"))

    def check(answer: Any, *, name: str = "", **choices: Any) -> list[Any]:
        file = f"{test}.{name}.json" if name else f"{test}.json"
        return assert_golden(
            answer, request.path.parent / "golden" / file, update=update, **choices
        )

    return check
