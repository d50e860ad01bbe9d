import asyncio
import importlib.util
import os
from pathlib import Path

import pytest

from emulator.exports import operations
from emulator.package_index import PackageIndex
from emulator.runtimes import Runtimes
from emulator.shipped import DATA

CACHE = Path(os.environ.get("CMLE_CACHE_DIR", "~/.cache/cmle")).expanduser()


def test_versions_know_their_own() -> None:
    assert operations.versions() == ("1.15", "2.11")
    old, new = operations.of("1.15.5"), operations.of("2.11.0")
    assert old
    assert new
    assert old.attributes["MatMul"] == {"T", "transpose_a", "transpose_b"}
    assert "ParseExampleV2" not in old.attributes
    assert old.elsewhere["ParseExampleV2"] == "2.11"
    assert new.elsewhere["Resampler"] == "1.15"
    assert "explicit_paddings" in new.attributes["MaxPool"] - old.attributes["MaxPool"]
    assert "MaxPool" not in old.elsewhere


def test_other_versions_are_not_known() -> None:
    assert operations.of("2.4.1") is None
    assert operations.of("") is None


@pytest.mark.tensorflow
@pytest.mark.timeout(900)
def test_table_is_that_of_the_runtimes() -> None:
    path = Path(__file__).with_name("operations_source.py")
    spec = importlib.util.spec_from_file_location("operations_source", path)
    assert spec
    assert spec.loader
    source = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(source)
    runtimes = Runtimes(CACHE, index=PackageIndex.of_user(os.environ), environment=os.environ)
    made = [asyncio.run(runtimes.ensure(version, "3.7")) for version in operations.versions()]
    lines = [source.asked(runtime.python) for runtime in made]
    assert (DATA / "ops" / "operations.txt").read_text() == source.table(*lines)
