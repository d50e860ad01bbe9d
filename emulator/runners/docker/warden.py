"""Owner of an instance's containers where the emulator was killed: ends them after a grace.

A process detached from everybody, one for each data directory. It watches the directory's
lock; the warden of an emulator that comes later takes its place.
"""

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NoReturn

from emulator.datadir import DataDir, write_whole
from emulator.errors import OperatorError

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5  # between two looks at the lock, at most
LOOK_AT_LEAST_S: Final = 0.05
STOP_GRACE_S: Final = 10.0
AGAIN_S: Final = 5.0
_PATIENCE_S: Final = 600.0  # for an engine that does not answer
_START_S: Final = 30.0


async def start(data: DataDir, address: str, grace_s: float) -> None:
    """Have a warden at work before anything is made on the engine; OperatorError if it fails.

    ``address`` is the engine's, as in DOCKER_HOST.
    """
    words = [str(data.root), data.instance, address, str(grace_s)]
    try:
        with (data.root / "warden.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", __name__, *words),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        status = await asyncio.wait_for(process.wait(), _START_S)
    except (OSError, TimeoutError) as error:
        raise OperatorError(
            f"The owner of this emulator's containers cannot start: {error}."
        ) from error
    if status:
        raise OperatorError(
            "The owner of this emulator's containers could not start. "
            f"{data.root / 'warden.log'} says why."
        )


class Warden:
    """Answers for what carries the label of ``instance``."""

    def __init__(self, data: DataDir, instance: str, address: str, grace_s: float) -> None:
        self._data = data
        self._instance = instance
        self._address = address
        self._grace_s = grace_s

    def take_charge(self) -> None:
        write_whole(self._data.warden, str(os.getpid()).encode())

    def watch(self) -> None:
        """Return once nobody needs it: another has come, or nothing is left to answer for."""
        lone_since: float | None = None
        look_at = 0.0
        while self._is_in_charge():
            now = time.monotonic()
            if self._has_emulator():
                lone_since = None
            else:
                first = lone_since is None
                lone_since = now if lone_since is None else lone_since
                is_due = now - lone_since >= self._grace_s
                if (first or is_due) and now >= look_at:
                    look_at = now + AGAIN_S if is_due else 0.0
                    if self._is_done(end=is_due) or now - lone_since > self._grace_s + _PATIENCE_S:
                        return
            time.sleep(min(LOOK_S, max(LOOK_AT_LEAST_S, self._grace_s / 4)))

    def _owns_folder(self) -> bool:
        """Whether the folder is still this instance's, not gone or made anew."""
        try:
            return self._data.instance == self._instance
        except OSError:
            return False

    def _is_in_charge(self) -> bool:
        return not self._owns_folder() or self._data.warden_pid() == os.getpid()

    def _has_emulator(self) -> bool:
        return self._owns_folder() and self._data.owner() is not None

    def _is_done(self, *, end: bool) -> bool:
        """Whether nothing is left; ``end`` it first."""
        try:
            if not end:
                return asyncio.run(self._look(None))
            if not self._owns_folder():
                with tempfile.TemporaryDirectory(prefix="cmle-warden-") as folder:
                    return asyncio.run(self._look(Path(folder)))
            with self._data.alone():
                return asyncio.run(self._look(self._data.root))
        except (OSError, OperatorError) as error:
            log.warning("%s", error)
            return False

    async def _look(self, records: Path | None) -> bool:
        from emulator.runners.docker.engine import Engine  # noqa: PLC0415 while it waits it is small
        from emulator.runners.docker.runner import DockerRunner  # noqa: PLC0415

        async def image(_: bool) -> str:  # noqa: FBT001 the runner's question
            return ""

        engine = await asyncio.to_thread(Engine.connect, self._address)
        runner = DockerRunner(engine, records or self._data.root, self._instance, image=image)
        try:
            if records is not None:
                log.warning("No emulator holds %s any more; ending its containers", self._data.root)
                await runner.stop_all(STOP_GRACE_S)
            return await runner.is_empty()
        finally:
            await runner.let_go()


def main(arguments: list[str]) -> NoReturn:
    """Detached, so that nobody has to wait for it; back in the parent once it is in charge."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    root, instance, address, grace_s = arguments
    warden = Warden(DataDir(Path(root)), instance, address, float(grace_s))
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os._exit(0 if os.read(told, 1) else 1)
    os.close(told)
    warden.take_charge()
    os.write(tell, b"\n")
    os.close(tell)
    os.chdir("/")
    warden.watch()
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
