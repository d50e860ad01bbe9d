import subprocess
import sys

import pytest

import emulator.testing
from emulator.testing import FakeService, fails, fake_service, succeeds


def test_a_script_is_a_value() -> None:
    assert fake_service(job_outcomes={"a": "FAILED"}) == fake_service(job_outcomes={"a": fails()})
    assert fake_service(job_outcomes={"a": "SUCCEEDED"}).jobs == {"a": succeeds()}
    assert isinstance(fake_service(), FakeService)


@pytest.mark.parametrize("outcome", ["RUNNING", "succeeded", ""])
def test_refuses_an_outcome_that_is_none(outcome: str) -> None:
    with pytest.raises(ValueError, match="is no outcome of a job: say SUCCEEDED, FAILED"):
        fake_service(job_outcomes={"a": outcome})


@pytest.mark.parametrize("name", emulator.testing.__all__)
def test_everything_promised_is_there(name: str) -> None:
    assert getattr(emulator.testing, name).__name__ == name


def test_nothing_else_is_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = emulator.testing.nothing


def test_importing_it_imports_no_client() -> None:
    program = (
        "import sys, emulator.testing; print([name for name in "
        "('asyncio', 'httpx', 'httplib2', 'requests', 'responses', 'starlette', 'msgspec') "
        "if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
