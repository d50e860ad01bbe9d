"""SavedModels in a bucket are found and read without their variables."""

from typing import TYPE_CHECKING

import pytest

from emulator.client import Client
from emulator.errors import OperatorError
from emulator.outcome import read_saved_model, saved_models
from emulator.savedmodel import SavedModelError

if TYPE_CHECKING:
    from tests.conftest import Keeper


def test_models_are_found_by_their_file(client: Client, keeper: "Keeper") -> None:
    keeper.buckets["b"] = {
        "out/checkpoint": b"",
        "out/export/exporter/1/saved_model.pb": b"",
        "out/export/exporter/1/variables/variables.index": b"",
        "out/export/exporter/2/saved_model.pb": b"",
        "outer/3/saved_model.pb": b"",
    }
    assert saved_models(client, "gs://b/out") == [
        "gs://b/out/export/exporter/1",
        "gs://b/out/export/exporter/2",
    ]


def test_missing_model_is_explained(client: Client, keeper: "Keeper") -> None:
    keeper.buckets["b"] = {}
    with pytest.raises(OperatorError, match="There is no SavedModel at gs://b/out"):
        read_saved_model(client, "gs://b/out/")


def test_broken_model_is_explained(client: Client, keeper: "Keeper") -> None:
    keeper.buckets["b"] = {"out/saved_model.pb": b"\xff\xff"}
    with pytest.raises(SavedModelError):
        read_saved_model(client, "gs://b/out")
