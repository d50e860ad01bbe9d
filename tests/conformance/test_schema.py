"""The committed table, and the document made from it, beside the installed client's document."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emulator import resources, schema
from emulator.api import discovery

pytest.importorskip("googleapiclient")
PROSE = {"description", "enumDescriptions", "deprecated", "enumDeprecated", "icons"}


def load_source() -> ModuleType:
    path = Path(__file__).with_name("schema_source.py")
    spec = importlib.util.spec_from_file_location("schema_source", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("schema_source", module)
    spec.loader.exec_module(module)
    return module


source = load_source()


def bare(value: Any) -> Any:
    """A document without its prose; a property may itself be called ``description``."""
    if isinstance(value, dict):
        return {
            key: bare(item)
            for key, item in value.items()
            if key not in PROSE or isinstance(item, dict)
        }
    return [bare(item) for item in value] if isinstance(value, list) else value


def test_the_table_is_the_clients_document() -> None:
    committed: str = source.TABLE.read_text(encoding="utf-8")
    assert committed == source.text(), "run: python tests/conformance/schema_source.py"


@pytest.mark.parametrize("part", ["schemas", "resources", "parameters", "rootUrl", "id", "version"])
def test_the_served_document_is_the_clients(part: str) -> None:
    assert bare(discovery.document()[part]) == bare(source.document()[part])


def test_the_served_document_has_the_same_parts() -> None:
    missing = set(source.document()) - set(discovery.document())
    assert missing <= PROSE


def test_every_resource_has_the_fields_of_its_message() -> None:
    kinds = [
        kind
        for kind in vars(resources).values()
        if isinstance(kind, type) and issubclass(kind, resources.Message)
        if kind not in {resources.Message, resources.Operation}
    ]
    assert len(kinds) > 30
    for kind in kinds:
        fields = set(kind.__struct_encode_fields__)
        known = set(schema.table().messages[resources.message_of(kind)])
        assert fields == known or (kind is resources.Status and fields < known), kind
