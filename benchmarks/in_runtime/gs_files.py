"""TensorFlow's file operations on ``gs://``, timed where a trainer would do them."""

import os
import time
from typing import Any, Callable, List  # noqa: UP035 - Python 3.7 runs this

import tensorflow as tf

from benchmarks.in_runtime.obeying import obey

WRITE_BYTES = 1 << 20
READ_BYTES = 4 << 20
FEW_BYTES = 100


def _seconds(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def write(uri: str, pieces: int) -> float:
    """Write ``pieces`` MiB; the close, which uploads, included."""
    piece = os.urandom(WRITE_BYTES)

    def action() -> None:
        with tf.io.gfile.GFile(uri, "wb") as file:
            for _ in range(pieces):
                file.write(piece)

    return _seconds(action)


def read(uri: str, pieces: int) -> float:
    """Read the file that ``write`` made, in order and whole."""
    found = 0

    def action() -> None:
        nonlocal found
        with tf.io.gfile.GFile(uri, "rb") as file:
            while found < pieces * WRITE_BYTES:
                piece = file.read(READ_BYTES)
                if not piece:
                    break
                found += len(piece)

    seconds = _seconds(action)
    if found != pieces * WRITE_BYTES:
        raise SystemExit("%s has %d bytes instead of %d MiB" % (uri, found, pieces))  # noqa: UP031
    return seconds


def remove(uri: str) -> None:
    tf.io.gfile.remove(uri)


def write_few(uris: List[str]) -> List[float]:  # noqa: UP006
    content = b"x" * FEW_BYTES

    def action(uri: str) -> None:
        with tf.io.gfile.GFile(uri, "wb") as file:
            file.write(content)

    return [_seconds(lambda uri=uri: action(uri)) for uri in uris]  # type: ignore[misc]


def exists(uris: List[str], answer: bool) -> List[float]:  # noqa: FBT001, UP006
    """Ask for each; every answer must be ``answer``."""
    times = []
    for uri in uris:
        began = time.perf_counter()
        found = tf.io.gfile.exists(uri)
        times.append(time.perf_counter() - began)
        if found != answer:
            raise SystemExit("%s: exists answered %s" % (uri, found))  # noqa: UP031
    return times


def stat(uris: List[str]) -> List[float]:  # noqa: UP006
    return [_seconds(lambda uri=uri: tf.io.gfile.stat(uri)) for uri in uris]  # type: ignore[misc]


if __name__ == "__main__":
    obey(
        {
            "write": write,
            "read": read,
            "remove": remove,
            "write_few": write_few,
            "exists": exists,
            "stat": stat,
        }
    )
