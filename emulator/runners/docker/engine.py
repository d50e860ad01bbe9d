"""Calls to the engine: in threads, each with a deadline, each failure a sentence."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import docker.errors
import requests.exceptions
from docker.api.client import APIClient

from emulator.errors import OperatorError

ANSWER_S: Final = 30.0  # of one call; `start` took 8 s with 31 at once on two cores
HELLO_S: Final = 5.0
_THREADS: Final = 16
_CONNECTIONS: Final = 160  # a log stream holds one
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
T = TypeVar("T")


class EngineLost(OperatorError):
    """The engine does not answer: it is not there, went away, or hangs."""


class Refusal(OperatorError):
    """The engine answered that it will not. ``text`` is its own explanation."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"The Docker Engine refused: {text}.")
        self.status = status
        self.text = text

    @property
    def is_missing(self) -> bool:
        return self.status == _NOT_FOUND

    @property
    def is_gone(self) -> bool:
        """Whether the container is not there, or about to go."""
        return self.is_missing or "marked for removal" in self.text

    @property
    def is_conflict(self) -> bool:
        return self.status == _CONFLICT


class Engine:
    """One engine. ``call`` is for the loop, ``client`` for threads of this room alone."""

    def __init__(self, client: APIClient, info: Mapping[str, Any]) -> None:
        self.client = client
        self.info = info
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")

    @classmethod
    def connect(cls, address: str = "", *, within_s: float = HELLO_S) -> "Engine":
        """Ask twice, each time up to ``within_s``, blocking; EngineLost if it does not answer.

        ``address`` is as in DOCKER_HOST; empty is the usual socket.
        """
        try:
            client = APIClient(
                base_url=address or None,
                version="auto",
                timeout=within_s,
                max_pool_size=_CONNECTIONS,
            )
            info = client.info()
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise EngineLost(_unreachable(error)) from error
        client.timeout = ANSWER_S
        return cls(client, info)

    async def call(self, work: Callable[[APIClient], T]) -> T:
        """Run ``work`` in a thread; it makes one call or a few. Cancelled, it still ends first.

        Raises Refusal or EngineLost.
        """
        asked = asyncio.get_running_loop().run_in_executor(self._threads, self.ask, work)
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            await asyncio.wait({asked})  # what it makes is there for whoever removes it
            if not asked.cancelled():
                asked.exception()
            raise

    def ask(self, work: Callable[[APIClient], T]) -> T:
        """The same, in a thread of the caller's."""
        try:
            return work(self.client)
        except Exception as error:
            raise self._explained(error) from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(Exception):
            self.client.close()

    def _explained(self, error: Exception) -> Exception:
        match error:
            case docker.errors.APIError():
                status = error.response.status_code if error.response is not None else 500
                return Refusal(status, str(error.explanation or error).strip().rstrip("."))
            case requests.exceptions.Timeout():
                return EngineLost(self._hanging())
            case requests.exceptions.RequestException() | docker.errors.DockerException():
                return EngineLost(_unreachable(error))
            case OSError():
                return EngineLost(_unreachable(error))
            case _:
                return error

    def _hanging(self) -> str:
        try:
            self.client.ping()
        except Exception:  # noqa: BLE001 whatever it is, the engine does not answer
            answer = "and does not answer at all"
        else:
            answer = "but answers a ping: one of its containers hangs"
        return (
            f"The Docker Engine did not answer within {ANSWER_S:.0f} s {answer}. Restart the "
            "engine (its containers end with it), or serve with --runner process."
        )


def _unreachable(error: BaseException) -> str:
    text = " ".join(str(error).split())
    for needle, reason in _REASONS.items():
        if needle in text:
            return f"The Docker Engine {reason}. {_ADVICE}"
    return f"The Docker Engine cannot be reached: {text[:300]}. {_ADVICE}"


_REASONS: Final = {
    "FileNotFoundError": "is not there: nothing listens on its socket",
    "ConnectionRefusedError": "is not running: it takes no connection",
    "PermissionError": "may not be used by this user: its socket is closed to you",
    "timed out": "did not answer in time",
    "ended prematurely": "went away in the middle of an answer",
    "Connection aborted": "broke the connection off",
}
_ADVICE: Final = "Start it (`docker info` must work for this user), or serve with --runner process."
