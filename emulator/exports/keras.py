"""Python code that Keras stored with a SavedModel: layers that hold a pickled function."""

import json
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from emulator.savedmodel import BINARY
from emulator.wire import Message, WireError

METADATA: Final = "keras_metadata.pb"
MAX_BYTES: Final = 256 << 20
_MARK: Final = b"__tuple__"  # how Keras writes a function's code


def lambdas(folder: Path) -> tuple[str, ...]:
    """Names of the layers that hold code; none where the files are missing or broken."""
    found: dict[str, None] = {}
    for name, read in ((METADATA, _of_metadata), (BINARY, _of_object_graph)):
        path = folder / name
        if not path.is_file() or not 0 < path.stat().st_size <= MAX_BYTES:
            continue
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer,
        ):
            if buffer.find(_MARK) < 0:
                continue
            try:
                found |= dict.fromkeys(_layers(read(Message(buffer))))
            except WireError:
                continue
    return tuple(found)


def _of_metadata(message: Message) -> Iterator[bytes]:
    """The descriptions in saved_metadata.proto, from TensorFlow 2.5 on."""
    for node in message.messages(1):
        yield from _matching(node, 5)


def _of_object_graph(message: Message) -> Iterator[bytes]:
    """The descriptions in saved_object_graph.proto, up to TensorFlow 2.4."""
    for meta_graph in message.messages(2):
        for objects in meta_graph.messages(7):
            for node in objects.messages(1):
                for user_object in node.messages(4):
                    yield from _matching(user_object, 3)


def _matching(message: Message, number: int) -> Iterator[bytes]:
    for text in message.messages(number):
        content = text.content()
        if _MARK in content:
            yield content


def _layers(descriptions: Iterator[bytes]) -> Iterator[str]:
    for content in descriptions:
        try:
            document: Any = json.loads(content)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict) and _holds_code(document):
            yield str(document.get("name", "lambda"))


def _holds_code(layer: dict[str, Any]) -> bool:
    """Whether it is a Lambda whose function is kept as code; others are named only."""
    config = layer.get("config")
    function = config.get("function") if isinstance(config, dict) else None
    return layer.get("class_name") == "Lambda" and isinstance(function, dict)
