"""The plugin in a test run of its own."""

import subprocess
import sys

import pytest

from emulator.server import default_cache_dir

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
from emulator.assertions import assert_job_succeeded
from emulator.shipped import folder

def test_success(cmle_submit, cmle_bucket):
    outcome = cmle_submit(folder("trainer_fixtures") / "prints", ["--greeting", "a b"])
    assert_job_succeeded(outcome)
    assert 'arguments: ["--greeting", "a b", "--job-dir"' in "\\n".join(outcome.logs)

def test_failure(cmle_submit):
    outcome = cmle_submit(folder("trainer_fixtures") / "fails")
    with pytest.raises(AssertionError) as caught:
        assert_job_succeeded(outcome)
    assert "expected SUCCEEDED, found FAILED" in str(caught.value)
    assert "ZeroDivisionError" in str(caught.value)
    assert "before the failure" in str(caught.value)
"""


@pytest.fixture(autouse=True)
def _same_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run of its own needs is there already."""
    monkeypatch.setenv("CMLE_CACHE_DIR", str(CACHE_DIR))


def test_engine_and_buckets(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(BUCKETS)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=4)


def test_flags_come_from_the_configuration(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ncmle_serve = --isolation none")
    pytester.makepyfile("def test_it(cmle_engine): assert cmle_engine.endpoint.isolation == 'none'")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


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
    run("-p", "no:cacheprovider").assert_outcomes(failed=1)
    run("-p", "no:cacheprovider", "--update-golden").assert_outcomes(passed=1)
    files = sorted(path.name for path in (pytester.path / "golden").iterdir())
    assert files == ["test_fares.test_fare.json", "test_fares.test_fare.second.json"]
    run("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.tensorflow
def test_jobs_are_submitted_and_awaited(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(JOBS)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_plugin_costs_nothing_until_asked() -> None:
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport emulator.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in eval(done.stdout) if "emulator" in name or "." not in name}  # noqa: S307 - our own list
    assert loaded <= {"emulator", "emulator.pytest_plugin", "secrets", "hmac", "base64", "random"}
