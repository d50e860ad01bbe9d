import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.cluster import Bind, Isolation
from emulator.deployment import Deployment
from emulator.errors import InvalidArgument, NotFound
from emulator.isolation import probe
from emulator.package_index import PackageIndex
from emulator.prediction import INTERNAL, MAX_REQUEST_BYTES, Limits, Predictions, ServerFailed
from emulator.runners.process import ProcessRunner, remove_folder
from emulator.runtimes import Runtimes
from emulator.shipped import SHIMS

HERE = Path(__file__).parent
DEADLINE_S = 60.0
KEY = "projects/p/models/m/versions/v"
QUICK = Limits(load_s=30.0, answer_s=20.0, adopt_s=5.0)

BAD_MODEL = 'Create Version failed. Bad model detected with error:  "Failed to load model: '

Work = Callable[[Predictions], Coroutine[Any, Any, None]]


# an emulator that only deploys
EMULATOR = """
import asyncio, sys
from pathlib import Path
import msgspec
from emulator.deployment import Deployment
from emulator.package_index import PackageIndex
from emulator.prediction import Predictions
from emulator.runners.process import ProcessRunner

folder, instance, isolation, shims, document = sys.argv[1:]

async def main():
    predictions = Predictions(
        ProcessRunner(Path(folder), instance), instance=instance, sites_dir=Path(folder) / "sites",
        state_dir=Path(folder) / "models", isolation=isolation, shims=Path(shims),
    )
    await predictions.deploy(msgspec.json.decode(document, type=Deployment))
    print("deployed", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Yard:
    """A data directory that we own, and emulators that begin and end on it."""

    def __init__(self, folder: Path, isolation: Isolation) -> None:
        self.folder = folder
        self.isolation: Isolation = isolation
        self.instance = secrets.token_hex(6)
        self.runner = ProcessRunner(folder, self.instance)
        self.state_dir = folder / "models"
        self.state_dir.mkdir()
        self.shims = folder / "shims"
        self.shims.mkdir()
        shutil.copy(HERE / "shims" / "toy_server.py", self.shims / "toy_server.py")
        start = f"import runpy, sys\nsys.argv.insert(1, {str(SHIMS)!r})\n"
        run = (
            "runpy.run_path(__file__.replace('prediction_server', 'toy_server'), run_name='toy')\n"
        )
        (self.shims / "prediction_server.py").write_text(start + run)
        self._lock = (folder / "lock").open("w")
        fcntl.lockf(self._lock, fcntl.LOCK_EX)

    def predictions(self, limits: Limits = QUICK) -> Predictions:
        return Predictions(
            self.runner,
            instance=self.instance,
            sites_dir=self.folder / "sites",
            state_dir=self.state_dir,
            isolation=self.isolation,
            shims=self.shims,
            limits=limits,
        )

    def deployment(self, *files: str, key: str = KEY) -> Deployment:
        """A toy model with these files."""
        model_dir = self.folder / f"model-{secrets.token_hex(4)}"
        model_dir.mkdir()
        for name in files:
            (model_dir / name).touch()
        shown = (SHIMS, Path(sys.prefix))
        binds = tuple(Bind(str(folder), str(folder)) for folder in shown)
        return Deployment(key, str(model_dir), sys.executable, binds=binds)

    def run(self, work: Work, limits: Limits = QUICK) -> None:
        """Do something with an emulator's servers, and end it in good order."""

        async def bounded() -> None:
            predictions = self.predictions(limits)
            async with asyncio.timeout(DEADLINE_S):
                try:
                    await work(predictions)
                finally:
                    await predictions.close()

        asyncio.run(bounded())

    def kill_after_deploying(self, deployment: Deployment) -> None:
        """Let another process deploy, and kill it."""
        arguments = [str(self.folder), self.instance, self.isolation, str(self.shims)]
        document = msgspec.json.encode(deployment).decode()
        with subprocess.Popen(
            [sys.executable, "-c", EMULATOR, *arguments, document], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"deployed\n"
            process.kill()

    def sites(self) -> set[str]:
        """Those whose supervisor lives."""
        table = Path("/proc/net/unix").read_text()
        return {word for word in table.split() if word.startswith(f"@cmle-site-{self.instance}")}

    def close(self) -> None:
        asyncio.run(self.runner.stop_all(0.0))
        self._lock.close()


@pytest.fixture(params=["namespaces", "none"])
def yard(request: pytest.FixtureRequest) -> Iterator[Yard]:
    if request.param == "namespaces" and probe().isolation == "none":
        pytest.skip(f"no namespaces here: {probe().reason}")
    folder = Path(tempfile.mkdtemp(prefix="cmle-test-"))
    with contextlib.closing(Yard(folder, request.param)) as made:
        yield made
    remove_folder(folder)


async def ask(predictions: Predictions, *instances: Any, key: str = KEY) -> Any:
    status, body = await predictions.predict(key, json.dumps({"instances": instances}).encode())
    assert status == 200, body
    return json.loads(body)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_deployed_version_predicts(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        await predictions.deploy(yard.deployment())
        assert predictions.knows(KEY)
        assert await ask(predictions, 1, 2) == {"predictions": [{"y": 2}, {"y": 4}]}

    yard.run(work)
    asyncio.run(until(lambda: not yard.sites()))


def test_bodies_and_their_status_pass_through(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        await predictions.deploy(yard.deployment())
        status, body = await predictions.predict(KEY, b"no json")
        assert (status, json.loads(body)["error"]["status"]) == (400, "INVALID_ARGUMENT")
        error = "Prediction failed: Expected tensor name: x, got tensor name: ['y']."
        assert await ask(predictions, {"y": 1}) == {"error": error}

    yard.run(work)


def test_a_request_that_is_too_large_is_refused_first(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        with pytest.raises(InvalidArgument, match=r"exceeds the limit: 1572864 bytes\."):
            await predictions.predict(KEY, b" " * (MAX_REQUEST_BYTES + 1))

    yard.run(work)


def test_a_version_that_nobody_deployed(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        with pytest.raises(NotFound):
            await predictions.predict(KEY, b"{}")

    yard.run(work)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("broken", f'{BAD_MODEL}nothing in it\nat all (Error code: 0)"'),
        ("crash", f"{BAD_MODEL}the model server was ended by signal 6\nabout to crash (Error code"),
    ],
)
def test_a_server_that_dies_while_it_loads(yard: Yard, file: str, text: str) -> None:
    async def work(predictions: Predictions) -> None:
        with pytest.raises(ServerFailed) as caught:
            await predictions.deploy(yard.deployment(file))
        assert str(caught.value).startswith(text)
        assert not predictions.knows(KEY)
        assert not predictions.sites()

    yard.run(work)


def test_a_server_that_takes_too_long_to_load(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        with pytest.raises(ServerFailed, match="was not loaded in time"):
            await predictions.deploy(yard.deployment())

    yard.run(work, Limits(load_s=0.0))
    asyncio.run(until(lambda: not yard.sites()))


def test_callers_share_one_start(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        predictions.add(yard.deployment())
        answers = await asyncio.gather(*(ask(predictions, number) for number in range(20)))
        assert answers == [{"predictions": [{"y": number * 2}]} for number in range(20)]
        await until(lambda: len(yard.sites()) == 1)

    yard.run(work)


def test_a_crash_fails_its_request_and_the_next_starts_anew(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(predictions: Predictions) -> None:
        await predictions.deploy(yard.deployment())
        body = b'{"instances": ["die"]}'
        assert await predictions.predict(KEY, body) == (500, INTERNAL)
        assert await ask(predictions, 3) == {"predictions": [{"y": 6}]}
        await until(lambda: len(yard.sites()) == 1)

    yard.run(work)
    assert KEY in caplog.text


def test_a_request_has_its_time(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    async def work(predictions: Predictions) -> None:
        await predictions.deploy(yard.deployment())
        assert await predictions.predict(KEY, b'{"instances": ["hang"]}') == (500, INTERNAL)

    yard.run(work, Limits(answer_s=0.5))
    assert "took more than 0.5 s" in caplog.text


def test_deleting_a_version_ends_its_server(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        await predictions.deploy(yard.deployment())
        await predictions.undeploy(KEY)
        await predictions.undeploy(KEY)
        await until(lambda: not yard.sites())
        assert not predictions.sites()

    yard.run(work)


def test_a_start_that_is_given_up_leaves_nothing(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        deploying = asyncio.create_task(predictions.deploy(yard.deployment()))
        await until(lambda: bool(yard.sites()))
        deploying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deploying
        assert not predictions.knows(KEY)
        await until(lambda: not yard.sites())

    yard.run(work)


def test_the_least_recently_asked_makes_room(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        for name in ("a", "b"):
            await predictions.deploy(yard.deployment(key=name))
        before = predictions.sites()
        await ask(predictions, 1, key="a")
        await predictions.deploy(yard.deployment(key="c"))
        await until(lambda: len(yard.sites()) == 2)
        assert len(predictions.sites() & before) == 1
        assert await ask(predictions, 1, key="b") == {"predictions": [{"y": 2}]}

    yard.run(work, Limits(servers=2))


def test_an_idle_server_ends_until_it_is_asked(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        await predictions.deploy(yard.deployment())
        await until(lambda: not yard.sites())
        assert await ask(predictions, 4) == {"predictions": [{"y": 8}]}

    yard.run(work, Limits(idle_s=0.2))


def test_a_restarted_emulator_finds_the_server(yard: Yard) -> None:
    deployment = yard.deployment()
    yard.kill_after_deploying(deployment)
    running = yard.sites()
    assert len(running) == 1

    async def work(predictions: Predictions) -> None:
        assert len(predictions.sites()) == 1
        assert not predictions.knows(KEY)
        predictions.add(deployment)
        assert await ask(predictions, 5) == {"predictions": [{"y": 10}]}
        assert yard.sites() == running

    yard.run(work)
    asyncio.run(until(lambda: not yard.sites()))


def test_a_server_that_did_not_outlive_the_emulator_starts_anew(yard: Yard) -> None:
    deployment = yard.deployment()
    yard.kill_after_deploying(deployment)

    async def work(predictions: Predictions) -> None:
        await yard.runner.stop_all(0.0)
        predictions.add(deployment)
        assert await ask(predictions, 6) == {"predictions": [{"y": 12}]}

    yard.run(work)


def test_a_server_left_over_ends_when_nobody_asks(yard: Yard) -> None:
    deployment = yard.deployment()
    yard.kill_after_deploying(deployment)

    async def work(predictions: Predictions) -> None:
        predictions.add(deployment)
        await until(lambda: not yard.sites())

    yard.run(work, Limits(idle_s=0.1))


def test_a_killed_supervisor_is_a_crash(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    async def work(predictions: Predictions) -> None:
        await predictions.deploy(yard.deployment())
        (site_id,) = predictions.sites()
        status = await yard.runner.ask(site_id, {"status": True})
        asking = asyncio.create_task(predictions.predict(KEY, b'{"instances": ["hang"]}'))
        await asyncio.sleep(0)
        os.kill(status["pid"], signal.SIGKILL)
        assert await asking == (500, INTERNAL)
        assert await ask(predictions, 7) == {"predictions": [{"y": 14}]}

    yard.run(work)
    assert "no prediction" in caplog.text


def test_a_state_file_that_is_broken_is_passed_over(yard: Yard) -> None:
    async def work(predictions: Predictions) -> None:
        await predictions.deploy(yard.deployment())
        (path,) = yard.state_dir.glob("server-*.json")
        path.write_bytes(b"{")
        assert predictions.sites() == set()

    yard.run(work)


@pytest.mark.tensorflow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["1.15", "2.11"])
def test_a_model_is_served_by_its_runtime(yard: Yard, version: str) -> None:
    cache = Path(os.environ.get("CMLE_CACHE_DIR", "~/.cache/cmle")).expanduser()
    runtimes = Runtimes(cache, index=PackageIndex.of_user(os.environ), environment=os.environ)
    runtime = asyncio.run(runtimes.ensure(version, "3.7"))
    models = yard.folder / "exported"
    script = str(HERE / "shims" / "export_models.py")
    subprocess.run([runtime.python, "-I", script, str(models)], check=True, capture_output=True)
    yard.shims = SHIMS

    def deployment(name: str) -> Deployment:
        return Deployment(
            name,
            str(models / name),
            runtime.python,
            binds=runtime.binds,
            variables=runtime.variables,
        )

    async def work(predictions: Predictions) -> None:
        await predictions.deploy(deployment("dense"))
        assert await ask(predictions, [1, 2, 3], key="dense") == {"predictions": [{"y": [6.0]}]}
        with pytest.raises(ServerFailed) as caught:
            await predictions.deploy(deployment("untagged"))
        reason = "Failed to load the model due to bad model data. tags: ['serve']\n"
        assert str(caught.value).startswith(BAD_MODEL + reason)

    yard.run(work)
