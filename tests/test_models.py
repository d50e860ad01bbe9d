import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from emulator.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound
from emulator.models import Models
from emulator.operations import Operations
from emulator.resources import AutoScaling, Model, Operation, Version
from emulator.rollout import RolloutFailed
from emulator.store import Store


class Deployments:
    """Deploys at once, when ``gate`` is open; names in ``broken`` fail."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken: set[str] = set()
        self.deployed: set[str] = set()

    async def check(self, version: Version) -> None:
        if not version.deployment_uri:
            raise FailedPrecondition.field("version.deployment_uri", "Nothing there.")

    async def deploy(self, name: str, version: Version) -> None:
        assert version.state == "CREATING"
        await self.gate.wait()
        if name.rsplit("/", 1)[-1] in self.broken:
            raise RolloutFailed("Create Version failed. Bad model.")
        self.deployed.add(name)

    async def remove(self, name: str, version: Version) -> None:
        assert version.state == "DELETING"
        self.deployed.discard(name)


class Room:
    """Models over a database in a folder."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "db")
        self.operations = Operations(self.store, lambda _: 1600000000.0)
        self.deployments = Deployments()
        self.models = Models(self.store, self.operations, self.deployments, lambda _: 1600000000.0)

    async def done(self, operation: Operation) -> Operation:
        async with asyncio.timeout(5):
            while True:
                found = self.operations.get("p", operation.name.rsplit("/", 1)[-1])
                if found.done:
                    return found
                await asyncio.sleep(0)

    async def deploy(self, version_id: str) -> Operation:
        version = Version(name=version_id, deployment_uri="gs://b/m")
        return await self.done(await self.models.create_version("p", "m", version))


@asynccontextmanager
async def room(folder: Path) -> AsyncIterator[Room]:
    opened = Room(folder)
    yield opened
    await opened.models.close()
    opened.store.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_model_is_created_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            model = here.models.create("p", Model(name="m", description="d"))

            assert model.name == "projects/p/models/m"
            assert model.regions == ("us-central1",)
            assert model.default_version is None
            with pytest.raises(AlreadyExists, match=r"Field: model\.name Error"):
                here.models.create("p", Model(name="m"))
            assert [found.name for found in here.models.list("p")] == [model.name]
            assert here.models.list("q") == []

    run(work())


def test_the_first_version_becomes_the_default(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            here.models.create("p", Model(name="m"))
            first = await here.deploy("v1")
            await here.deploy("v2")

            assert first.response is not None
            assert first.response.name == "v1"
            model = here.models.get("p", "m")
            assert model.default_version is not None
            assert model.default_version.name == "projects/p/models/m/versions/v1"
            states = {v.name[-2:]: v.is_default for v in here.models.list_versions("p", "m")}
            assert states == {"v1": True, "v2": False}
            here.models.set_default("p", "m", "v2")
            assert here.models.get_version("p", "m", "v2").is_default

    run(work())


def test_a_version_that_does_not_load_fails_with_the_reason(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            here.models.create("p", Model(name="m"))
            here.deployments.broken = {"v1"}
            operation = await here.deploy("v1")

            assert operation.error is not None
            assert operation.error.message == "Create Version failed. Bad model."
            version = here.models.get_version("p", "m", "v1")
            assert (version.state, version.error_message) == (
                "FAILED",
                "Create Version failed. Bad model.",
            )
            assert here.models.get("p", "m").default_version is None

    run(work())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            version = Version(name="v1", deployment_uri="gs://b/m")
            with pytest.raises(NotFound, match=r"Field: parent Error: The model resource: \"m\""):
                await here.models.create_version("p", "m", version)
            here.models.create("p", Model(name="m"))
            with pytest.raises(NotFound, match="version was not found"):
                here.models.get_version("p", "m", "v1")
            with pytest.raises(FailedPrecondition, match="Nothing there"):
                await here.models.create_version("p", "m", Version(name="v1"))
            assert here.models.list_versions("p", "m") == []

    run(work())


def test_the_default_version_goes_last(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            here.models.create("p", Model(name="m"))
            await here.deploy("v1")
            await here.deploy("v2")

            with pytest.raises(FailedPrecondition, match="default version cannot be deleted"):
                await here.models.delete_version("p", "m", "v1")
            with pytest.raises(FailedPrecondition, match="existing versions"):
                await here.models.delete("p", "m")
            for version_id in ("v2", "v1"):
                await here.done(await here.models.delete_version("p", "m", version_id))
            assert here.deployments.deployed == set()
            assert (await here.models.delete("p", "m")).done
            with pytest.raises(NotFound):
                here.models.get("p", "m")

    run(work())


def test_a_version_in_the_making_is_busy_and_can_be_cancelled(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            here.models.create("p", Model(name="m"))
            here.deployments.gate.clear()
            version = Version(name="v1", deployment_uri="gs://b/m")
            operation = await here.models.create_version("p", "m", version)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            with pytest.raises(FailedPrecondition, match="in progress"):
                await here.models.delete_version("p", "m", "v1")
            await here.operations.cancel("p", operation.name.rsplit("/", 1)[-1])

            ended = await here.done(operation)
            assert ended.error is not None
            assert ended.error.code == 1
            assert here.models.get_version("p", "m", "v1").state == "FAILED"

    run(work())


def test_a_restart_goes_on_with_what_was_begun(tmp_path: Path) -> None:
    async def begin() -> None:
        async with room(tmp_path) as here:
            here.models.create("p", Model(name="m"))
            here.deployments.gate.clear()
            await here.models.create_version(
                "p", "m", Version(name="v1", deployment_uri="gs://b/m")
            )
            await asyncio.sleep(0)

    async def go_on() -> None:
        async with room(tmp_path) as here:
            assert here.models.get_version("p", "m", "v1").state == "CREATING"
            here.models.resume()
            (operation,) = here.operations.list("p")
            assert (await here.done(operation)).error is None
            assert here.models.get_version("p", "m", "v1").state == "READY"

    run(begin())
    run(go_on())


def test_a_patch_changes_what_its_mask_names(tmp_path: Path) -> None:
    async def work() -> None:
        async with room(tmp_path) as here:
            here.models.create("p", Model(name="m", description="old", labels={"a": "b"}))
            await here.deploy("v1")
            await here.models.patch(
                "p", "m", Model(description="new", labels={"x": "y"}), ["description"]
            )
            model = here.models.get("p", "m")
            assert (model.description, model.labels) == ("new", {"a": "b"})
            with pytest.raises(Aborted, match="etag"):
                await here.models.patch("p", "m", Model(etag=b"old"), ["description"])

            name = "projects/p/models/m/versions/v1"
            scaled = Version(auto_scaling=AutoScaling(min_nodes=2))
            await here.models.patch_version("p", "m", "v1", scaled, ["auto_scaling.min_nodes"])
            assert here.models.version(name).auto_scaling == AutoScaling(min_nodes=2)

    run(work())
