"""The pytest plugin: an emulator, a bucket and a submitted job as fixtures."""

import re
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emulator.embedded import Emulator
    from emulator.outcome import Outcome
    from emulator.testing import FakeService, Interception


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "cmle_serve",
        type="args",
        help="flags of `cmle serve` for the emulator of the tests, such as --isolation require",
    )
    parser.getgroup("cmle").addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files of cmle_golden instead of comparing with them",
    )


@pytest.fixture(scope="session")
def cmle_engine(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Emulator"]:
    """A running emulator for the whole run: a free port, a project and a folder of its own."""
    from emulator.embedded import Emulator

    name = f"cmle-tests-{secrets.token_hex(4)}"
    options = pytestconfig.getini("cmle_serve")
    with Emulator(tmp_path_factory.mktemp("cmle"), project=name, options=options) as engine:
        yield engine


@pytest.fixture
def cmle_bucket(cmle_engine: "Emulator") -> Iterator[str]:
    """The name of an empty bucket that only this test has."""
    name = f"cmle-{secrets.token_hex(8)}"
    with cmle_engine.client() as client:
        client.storage.create(name)
        yield name
        client.storage.remove(name)


@pytest.fixture
def cmle_submit(
    cmle_engine: "Emulator", cmle_bucket: str, request: pytest.FixtureRequest
) -> Callable[..., "Outcome"]:
    """Submits a trainer, waits until the job has ended, answers its Outcome.

    ``cmle_submit(folder, ["--train-steps=10"], runtime_version="2.11")``: a package
    directory, the trainer's arguments, fields of ``trainingInput`` and ``timeout_s``.
    """
    from emulator.rehearsal import rehearse

    name = re.sub(r"[^A-Za-z0-9]+", "_", request.node.name)[:80].strip("_")

    def submit(folder: "Path | str", args: "Sequence[str]" = (), **choices: object) -> "Outcome":
        job_id = f"{name}_{secrets.token_hex(4)}"
        with cmle_engine.client() as client:
            return rehearse(client, folder, args, bucket=cmle_bucket, job_id=job_id, **choices)

    return submit


@pytest.fixture
def cmle_fake_service() -> "FakeService":
    """The script that ``cmle_intercept`` follows; a test's own fixture of this name replaces it."""
    from emulator.testing import fake_service

    return fake_service()


@pytest.fixture
def cmle_intercept(cmle_fake_service: "FakeService") -> Iterator["Interception"]:
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
