"""A model server in a container, asked through its socket and found again after a kill."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.deployment import Deployment
from emulator.prediction import Limits, Predictions
from emulator.shipped import SHIMS

if TYPE_CHECKING:
    from tests.runners.conftest import DockerBench

pytestmark = pytest.mark.docker

KEY = "projects/p/models/m/versions/v"
TOY = Path(__file__).parent.parent.parent / "shims" / "toy_server.py"
LIMITS = Limits(load_s=60.0, answer_s=30.0)


class Yard:
    """Emulators that begin and end on one data directory."""

    def __init__(self, bench: "DockerBench") -> None:
        self.bench = bench
        self.shims = bench.data_dir / "shims"
        self.state_dir = bench.data_dir / "models"
        self.model_dir = bench.data_dir / "model"
        for folder in (self.shims, self.state_dir, self.model_dir):
            folder.mkdir()
        shutil.copy(SHIMS / "prediction_rules.py", self.shims)
        toy = "from __future__ import annotations\n" + TOY.read_text()  # the image's Python is 3.7
        (self.shims / "toy_server.py").write_text(toy)
        shutil.copy(SHIMS / "prediction_server.py", self.shims / "real_server.py")
        start = (
            "import os, runpy, sys\n"
            "here = os.path.dirname(os.path.abspath(__file__))\n"
            "sys.path.insert(0, here)\n"
            "import real_server\n"
            "sys.modules['prediction_server'] = real_server\n"
            "sys.argv.insert(1, here)\n"
            "runpy.run_path(os.path.join(here, 'toy_server.py'), run_name='toy')\n"
        )
        (self.shims / "prediction_server.py").write_text(start)

    def predictions(self) -> Predictions:
        runner: Any = self.bench.runner
        return Predictions(
            runner,
            instance=self.bench.instance,
            sites_dir=self.bench.data_dir / "sites",
            state_dir=self.state_dir,
            isolation="container",
            shims=self.shims,
            limits=LIMITS,
        )

    def deployment(self) -> Deployment:
        return Deployment(
            KEY, str(self.model_dir), "/usr/local/bin/python3", image="cmle/probe:3.7"
        )


async def ask(predictions: Predictions, *instances: Any) -> Any:
    status, body = await predictions.predict(KEY, json.dumps({"instances": instances}).encode())
    assert status == 200, body
    return json.loads(body)


def test_a_deployed_version_predicts_and_is_found_again(contained: "DockerBench") -> None:
    yard = Yard(contained)

    async def work() -> None:
        first = yard.predictions()
        await first.deploy(yard.deployment())
        assert await ask(first, 1, 2) == {"predictions": [{"y": 2}, {"y": 4}]}
        sites = first.sites()
        second = yard.predictions()  # as after a restart
        second.add(yard.deployment())
        assert await ask(second, 3) == {"predictions": [{"y": 6}]}
        assert second.sites() == sites
        await second.close()
        assert await asyncio.to_thread(servers, contained) == []

    contained.run(work())


def servers(bench: "DockerBench") -> list[str]:
    rows = bench.engine.client.containers(
        all=True, filters={"label": [f"cmle.instance={bench.instance}", "cmle.site"]}
    )
    return [row["Names"][0] for row in rows]
