"""The fixed poll intervals of Google's SDKs: slept in virtual time."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from emulator.testing.interception import Interception
from emulator.testing.seams import Undo, current, put

SDKS: Final = (
    "apitools",
    "google",  # api_core's polling and retries, resumable_media, auth, cloud
    "googleapiclient",
    "oauth2client",
)

_CALLER: Final = 1  # frames up

Sleep = Callable[[float], None]
SleepAsync = Callable[..., Coroutine[Any, Any, Any]]


def patch() -> list[Undo]:
    return [put(time, "sleep", _sleep), put(asyncio, "sleep", _sleep_async)]


def _sleep(original: Sleep) -> Sleep:
    def sleep(seconds: float, /) -> None:
        cloud = _asked_by(sys._getframe(_CALLER).f_globals)  # noqa: SLF001 no other way to know
        original(seconds if cloud is None else cloud.sleep(seconds))

    return sleep


def _sleep_async(original: SleepAsync) -> SleepAsync:
    def sleep(delay: float, result: Any = None) -> Coroutine[Any, Any, Any]:
        cloud = _asked_by(sys._getframe(_CALLER).f_globals)  # noqa: SLF001 as above
        return original(delay if cloud is None else cloud.sleep(delay), result)

    return sleep


def _asked_by(module: dict[str, Any]) -> Interception | None:
    """The interception, if a module that sleeps in virtual time is the one that asks."""
    cloud = current()
    if cloud is None:
        return None
    name = str(module.get("__name__", ""))
    listed = (*SDKS, *cloud.sleep_in)
    return cloud if any(name == each or name.startswith(f"{each}.") for each in listed) else None
