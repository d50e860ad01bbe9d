"""The plugin in a test run of its own."""

import re
import subprocess
import sys

import pytest

from emulator import Emulator
from emulator.server import default_cache_dir

QUIET = ("-p", "no:cacheprovider")
CACHE_DIR = default_cache_dir()  # before pytester gives us another home
pytest_plugins = ["pytester"]
pytestmark = pytest.mark.timeout(600)

BUCKETS = """
import pytest

names = []

@pytest.mark.parametrize("turn", [1, 2])
def test_bucket_is_new(cmle_bucket, cmle_engine, turn):
    with cmle_engine.client() as client:
        assert list(client.storage.objects(f"gs://{cmle_bucket}/")) == []
        client.storage.upload(f"gs://{cmle_bucket}/x", b"left behind")
    names.append(cmle_bucket)

def test_buckets_are_gone(cmle_engine):
    assert len(set(names)) == 2
    with cmle_engine.client() as client:
        assert not any(client.storage.exists(f"gs://{name}") for name in names)

def test_project_is_its_own(cmle_engine):
    assert cmle_engine.project.startswith("cmle-tests-")
    assert cmle_engine.environment()["CLOUDSDK_CORE_PROJECT"] == cmle_engine.project
"""
JOBS = """
import pytest
from emulator import fixtures
from emulator.assertions import assert_job_succeeded

def test_success(cmle_submit, cmle_wait, cmle_logs):
    outcome = cmle_submit(fixtures("prints"), ["--greeting", "a b"])
    assert_job_succeeded(outcome)
    assert 'arguments: ["--greeting", "a b", "--job-dir"' in "\\n".join(outcome.logs)
    assert cmle_wait(outcome.job_id) == outcome
    assert cmle_logs(outcome.job_id) == outcome.logs

def test_own_project(cmle_submit, cmle_project, cmle_client, cmle_engine):
    assert cmle_client.project == cmle_project != cmle_engine.project
    assert cmle_client.jobs() == []
    outcome = cmle_submit(fixtures("prints"))
    assert [job["jobId"] for job in cmle_client.jobs()] == [outcome.job_id]
    with cmle_engine.client() as client:
        assert outcome.job_id not in [job["jobId"] for job in client.jobs()]

started = []

def test_start(cmle_start, cmle_client):
    started.append(cmle_start(fixtures("sleeps"), ["--seconds=600"]))
    assert cmle_client.job(started[0])["state"] in {"QUEUED", "PREPARING", "RUNNING"}

def test_started_job_went_with_its_test(cmle_client):
    assert cmle_client.job(started[0])["state"] == "CANCELLED"

def test_skipped_time_ends_a_job(cmle_start, cmle_client, cmle_clock, cmle_wait, cmle_engine):
    job_id = cmle_start(fixtures("sleeps"), ["--seconds=600"])
    cmle_client.wait_job(job_id, state="RUNNING")
    cmle_clock.advance(days=6)
    assert cmle_client.job(job_id)["state"] == "RUNNING"
    cmle_clock.advance(days=2)
    assert cmle_wait(job_id).state == "CANCELLED"
    with cmle_engine.client() as client:
        assert client.clock.document()["ahead"] == "0s"

def test_failure(cmle_submit):
    assert_job_succeeded(cmle_submit(fixtures("fails")))

def test_failure_of_another_kind(cmle_submit):
    assert cmle_submit(fixtures("exits")).state == "SUCCEEDED"

def test_no_model(cmle_submit, cmle_saved_model):
    cmle_saved_model(cmle_submit(fixtures("prints")))
"""
MARKED = """
import pytest

pytestmark = pytest.mark.runtime_version("1.15")

@pytest.mark.scale_tier("BASIC", "STANDARD_1")
@pytest.mark.runtime_version("2.10", "2.11")
def test_all(cmle_scale_tier, cmle_runtime_version):
    print("seen", cmle_scale_tier, cmle_runtime_version)

def test_of_the_module(cmle_runtime_version):
    assert cmle_runtime_version == "1.15"

@pytest.mark.scale_tier("BASIC", "STANDARD_1")
def test_without_fixtures():
    pass

@pytest.mark.runner("docker", "process")
def test_runner(cmle_runner):
    assert cmle_runner == "process"

def test_defaults(cmle_scale_tier, cmle_runner):
    assert (cmle_scale_tier, cmle_runner) == ("BASIC", "process")
"""
KEPT = """
def test_fails(cmle_client, cmle_bucket):
    cmle_client.storage.upload(f"gs://{cmle_bucket}/of-the-failure", b"x")
    assert False

def test_passes(cmle_client, cmle_bucket):
    cmle_client.storage.upload(f"gs://{cmle_bucket}/of-no-failure", b"x")
"""
GOOGLE = """
def test_storage(cmle_storage, cmle_bucket, cmle_project):
    assert cmle_storage.project == cmle_project
    blob = cmle_storage.bucket(cmle_bucket).blob("a/b")
    blob.upload_from_string(b"content")
    assert [it.name for it in cmle_storage.list_blobs(cmle_bucket)] == ["a/b"]
    assert blob.download_as_bytes() == b"content"
    assert [it.name for it in cmle_storage.list_buckets()] == [cmle_bucket]

def test_ml(cmle_ml, cmle_project):
    models = cmle_ml.projects().models()
    parent = f"projects/{cmle_project}"
    models.create(parent=parent, body={"name": "m", "regions": ["us-central1"]}).execute()
    assert [it["name"] for it in models.list(parent=parent).execute()["models"]] == [
        f"{parent}/models/m"
    ]
"""


ASSERTIONS = """
import pytest
from emulator import assertions as here
from emulator.outcome import Outcome

@pytest.mark.parametrize("fail", [
    lambda: here.assert_job_succeeded(Outcome({"jobId": "j", "state": "FAILED"}, ())),
    lambda: here.assert_servable("nowhere"),
    lambda: here.assert_predictions({"error": "no"}),
    lambda: here.assert_predictions({"predictions": [1]}, [2]),
    lambda: here.assert_golden({"predictions": [1]}, "nowhere.json"),
    lambda: here.assert_schema({"predictions": [1]}, {"type": "string"}),
    lambda: here.assert_rows({"predictions": [{"key": 1}]}, [{"key": 2}], keys=["key"]),
    lambda: here.assert_latency(lambda: None, -1.0, repeats=1),
    lambda: here.assert_no_skew([], lambda _: {"predictions": [1]}),
], ids=str)
def test_it(fail):
    fail()
"""


@pytest.fixture(autouse=True)
def _same_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run of its own needs is there already."""
    monkeypatch.setenv("CMLE_CACHE_DIR", str(CACHE_DIR))


def test_engine_and_buckets(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(BUCKETS)
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=4)


def test_flags_come_from_the_configuration(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ncmle_serve = --isolation none")
    pytester.makepyfile("def test_it(cmle_engine): assert cmle_engine.endpoint.isolation == 'none'")
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=1)


def test_golden_files_are_written_on_request(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_fares="""
def test_fare(cmle_golden, request):
    value = 1.0 if request.config.getoption("--update-golden") else 1.0001
    cmle_golden({"predictions": [{"fare": value}]}, instances=[{"km": 2}])
    cmle_golden([2], name="second")
"""
    )
    run = pytester.runpytest_subprocess
    run(*QUIET).assert_outcomes(failed=1)
    run(*QUIET, "--update-golden").assert_outcomes(passed=1)
    files = sorted(path.name for path in (pytester.path / "golden").iterdir())
    assert files == ["test_fares.test_fare.json", "test_fares.test_fare.second.json"]
    run(*QUIET).assert_outcomes(passed=1)


def test_clients_of_google_reach_the_engine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(GOOGLE)
    pytester.runpytest_subprocess("-W", "error", *QUIET).assert_outcomes(passed=2)


def test_markers_run_a_test_for_each_value(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MARKED)
    result = pytester.runpytest_subprocess(
        "--strict-markers", "--cmle-runner", "process", "-rPs", *QUIET
    )
    result.assert_outcomes(passed=8, skipped=1)
    seen = [line for line in result.outlines if line.startswith("seen ")]
    assert sorted(seen) == [
        f"seen {tier} {version}" for tier in ("BASIC", "STANDARD_1") for version in ("2.10", "2.11")
    ]
    assert "--cmle-runner process" in result.stdout.str()


def test_unknown_runner_is_refused_in_the_emulators_words(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(cmle_engine): pass")
    result = pytester.runpytest_subprocess("--cmle-runner", "abacus", *QUIET)
    result.assert_outcomes(errors=1)
    assert "Invalid value for '--runner': 'abacus'" in result.stdout.str()


def test_data_of_failures_is_kept_and_found(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(KEPT)
    result = pytester.runpytest_subprocess("--cmle-keep", "--basetemp", "base", *QUIET)
    result.assert_outcomes(passed=1, failed=1)
    data = pytester.path / "base" / "cmle" / "process" / "data"
    shown = result.stdout.str()
    assert f"The data of the tests that failed is kept in {data}" in shown
    assert f"cmle serve --data-dir {data}" in shown
    (bucket,) = [line for line in result.outlines if line.startswith("bucket gs://")]
    with Emulator(data) as emulator, emulator.client() as client:
        (entry,) = client.storage.objects(f"{bucket.removeprefix('bucket ')}/")
        assert entry["name"] == "of-the-failure"
        answer = client.document("GET", "/storage/v1/b", params={"project": _project(shown)})
        assert len(answer["items"]) == 1


def _project(shown: str) -> str:
    (line,) = [line for line in shown.splitlines() if line.startswith("project cmle-tests-")]
    return line.split()[1]


def test_nothing_is_made_where_nothing_is_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(cmle_scale_tier, cmle_runner): pass")
    result = pytester.runpytest_subprocess("--cmle-keep", "--basetemp", "base", *QUIET)
    result.assert_outcomes(passed=1)
    assert not (pytester.path / "base" / "cmle").exists()
    assert "cmle serve" not in result.stdout.str()


def test_failures_are_shown_where_the_test_asserts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ASSERTIONS)
    result = pytester.runpytest_subprocess(*QUIET)
    result.assert_outcomes(failed=9)
    shown = result.stdout.str()
    assert len(re.findall(r"^E +AssertionError: ", shown, re.MULTILINE)) == 9
    assert "assertions.py" not in shown
    assert "During handling" not in shown
    assert "direct cause" not in shown


@pytest.mark.tensorflow
def test_jobs_are_submitted_and_awaited(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(JOBS)
    result = pytester.runpytest_subprocess(*QUIET)
    result.assert_outcomes(passed=5, failed=3)
    shown = result.stdout.str()
    for text in (
        r"E +AssertionError: job test_failure_\w+: expected SUCCEEDED, found FAILED",
        r"-+ cmle job test_failure_\w+: FAILED -+",
        r"errorMessage: The replica master 0 exited with a non-zero status of 1\.",
        "INFO +before the failure",
        "ZeroDivisionError: division by zero",
        r"-+ cmle job test_failure_of_another_kind_\w+: FAILED -+",
        r"expected a SavedModel below gs://cmle-\w+/test_no_model_\w+, found:",
        r"job test_no_model_\w+ is SUCCEEDED; the end of its log:",
    ):
        assert re.search(text, shown), text
    assert not re.search(r"-+ cmle job test_no_model", shown)  # it succeeded
    assert not re.search(r"emulator/\w+\.py:\d+", shown)  # no frames of ours


def test_plugin_costs_nothing_until_asked() -> None:
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport emulator.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if "emulator" in name or "." not in name}
    ours = {"emulator", "emulator.meeting", "emulator.pytest_plugin"}
    assert loaded <= ours | {"fcntl", "grp", "pwd"}
