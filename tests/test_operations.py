import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.errors import NotFound
from emulator.operations import CANCELLED, Operations
from emulator.resources import Version
from emulator.store import Store

MODEL = "projects/p/models/m"
VERSION = Version(name=f"{MODEL}/versions/v1")


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    store = Store(tmp_path / "db")
    yield Operations(store, lambda _: 1600000000.5)
    store.close()


def test_an_operation_is_named_as_the_service_names_it(operations: Operations) -> None:
    operation = operations.begin("p", "CREATE_VERSION", MODEL, VERSION)

    assert operation.name == "projects/p/operations/create_m_v1-1600000000500"
    assert not operation.done
    assert operations.begin("p", "DELETE_MODEL", MODEL).name.endswith(
        "delete_model_m-1600000000500"
    )


def test_two_in_one_moment_have_two_names(operations: Operations) -> None:
    first = operations.begin("p", "UPDATE_MODEL", MODEL)
    second = operations.begin("p", "UPDATE_MODEL", MODEL)

    assert first.name != second.name


def test_a_finished_operation_answers_its_response(operations: Operations) -> None:
    name = operations.begin("p", "CREATE_VERSION", MODEL, VERSION).name
    operations.finish(name, Version(name="v1"))

    found = operations.get("p", name.rsplit("/", 1)[-1])
    assert found.done
    assert found.response == Version(name="v1")
    assert found.metadata is not None
    assert found.metadata.end_time is not None
    assert list(operations.unfinished()) == []


def test_a_failed_operation_answers_why(operations: Operations) -> None:
    name = operations.begin("p", "CREATE_VERSION", MODEL, VERSION).name
    failed = operations.fail(name, 9, "Create Version failed. Bad model.")

    assert failed.error is not None
    assert failed.error.message == "Create Version failed. Bad model."


def test_cancelling_asks_the_work_to_end(operations: Operations) -> None:
    name = operations.begin("p", "CREATE_VERSION", MODEL, VERSION).name
    asked: list[str] = []
    operations.cancellations[name] = lambda: asked.append(name)
    asyncio.run(operations.cancel("p", name.rsplit("/", 1)[-1]))

    assert asked == [name]
    found = operations.get("p", name.rsplit("/", 1)[-1])
    assert found.metadata is not None
    assert found.metadata.is_cancellation_requested
    operations.fail(name, CANCELLED, "The operation was cancelled.")
    asyncio.run(operations.cancel("p", name.rsplit("/", 1)[-1]))
    assert asked == [name]


def test_a_missing_operation_is_not_found(operations: Operations) -> None:
    with pytest.raises(NotFound):
        operations.get("p", "nothing")
