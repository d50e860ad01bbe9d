"""One emulator for all processes of a test run: the first starts it, it ends after the last.

A warden, detached from everybody, owns the emulator. It reads the pipe of the meeting: at
its end nobody is left, and the warden stops the emulator and removes the folder.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from emulator.datadir import DataDir, Endpoint
from emulator.embedded import START_S, Emulator
from emulator.engine import Engine
from emulator.errors import OperatorError
from emulator.meeting import Meeting, Room

POLL_S: Final = 0.02
LOOK_S: Final = 1.0  # between two looks at the emulator


def join(meeting: Meeting, name: str, *, project: str, options: Sequence[str] = ()) -> Engine:
    """The emulator of the room ``name`` for a project; started now if this is the first to ask.

    ``options`` are flags of ``cmle serve`` for one that is started. OperatorError with its own
    words if it does not come up.
    """
    meeting.hold()
    with meeting.alone(name) as room:
        card = running(room)
        if card is None:
            _start(meeting, room, options)
            card = _wait(room)
    return Engine(room.data, card, project)


def running(room: Room) -> Endpoint | None:
    """The card of the emulator that is up in a room."""
    data = DataDir(room.data)
    card = data.endpoint()
    return card if card is not None and card.pid == data.owner() else None


def _start(meeting: Meeting, room: Room, options: Sequence[str]) -> None:
    try:
        lock = room.occupy()
    except BlockingIOError:
        return  # another process was killed while it waited for this warden
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, lock)
        pipe = closing.enter_context(meeting.listening())
        output = closing.enter_context(room.output.open("wb"))
        command = [sys.executable, "-P", "-m", "emulator.shared", str(room.folder), str(lock)]
        subprocess.run(  # it forks and is back at once
            [*command, *options],
            stdin=pipe,
            stdout=output,
            stderr=output,
            pass_fds=(lock,),
            start_new_session=True,
            check=False,
        )


def _wait(room: Room) -> Endpoint:
    deadline = time.monotonic() + START_S
    while (card := running(room)) is None:
        if not room.is_occupied():
            words = room.words() or "The process that watches the emulator has ended."
            room.clear()
            raise OperatorError(words)
        if time.monotonic() > deadline:
            raise OperatorError(f"The emulator was not ready after {START_S:g} s.")
        time.sleep(POLL_S)
    return card


def watch(room: Room, options: Sequence[str], leave: Callable[[], None]) -> int:
    """Run the emulator until nobody holds the other end of standard input.

    ``leave`` gives the room free: for another emulator, when this one ends by itself.
    """
    try:
        with contextlib.suppress(_Told):
            if words := _serve(room, options):
                print(words, flush=True)  # noqa: T201 read for the run's report
                leave()
                while not _is_deserted(LOOK_S):
                    pass
                if room.is_occupied():
                    return 0  # another emulator has come since
    except OperatorError as error:
        print(error)  # noqa: T201 read by who waits for the start
        return error.exit_code
    room.clear()
    Meeting(room.folder.parent).tidy()
    return 0


def _serve(room: Room, options: Sequence[str]) -> str:
    """Until nobody is left: empty. What to say if the emulator ended by itself."""
    with Emulator(room.data, options=options) as emulator:
        while not _is_deserted(LOOK_S):
            if emulator.has_ended:
                return f"The emulator ended by itself. It said:\n{emulator.output()}"
    return ""


class _Told(Exception):
    """SIGTERM came."""


def _tell(*_: object) -> NoReturn:
    raise _Told


def _is_deserted(wait_s: float) -> bool:
    readable, _, _ = select.select([0], [], [], wait_s)
    return bool(readable) and not os.read(0, 512)


def main(arguments: Sequence[str]) -> NoReturn:
    """The warden's process: nobody's child, so that nobody has to wait for it."""
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, _tell)
    folder, lock, *options = arguments
    sys.exit(watch(Room(Path(folder)), options, lambda: os.close(int(lock))))


if __name__ == "__main__":
    main(sys.argv[1:])
