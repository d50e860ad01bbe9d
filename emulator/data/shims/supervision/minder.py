"""What a minder does while its process runs: reap, obey, report the end.

It tells the supervisor through a SOCK_SEQPACKET pair, one JSON object a message, and obeys
``T`` (SIGTERM to the process) and ``K`` (SIGKILL to all); the end of the pair means K: nothing
outlives the supervisor.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket

from processes import descendants


def attend(child: int, control: socket.socket, *, isolated: bool) -> None:
    """Until the child has ended; in a pid namespace the kernel ends what it leaves behind."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched = [control.fileno(), reading]
    status = _reap(child)
    while status is None:
        ready, _, _ = select.select(watched, [], [])
        if reading in ready:
            os.read(reading, 4096)
        if control.fileno() in ready:
            order = control.recv(16)
            os.kill(child, signal.SIGTERM if order == b"T" else signal.SIGKILL)
            if not order:
                watched.remove(control.fileno())
        status = _reap(child)
    if not isolated:
        end_descendants()
    tell(control, ended=status)


def tell(control: socket.socket, **message: object) -> None:
    try:
        control.send(json.dumps(message).encode())
    except OSError:
        pass  # the supervisor is gone, and so shall we be


def end_descendants() -> None:
    """Kill what the process left running, daemons included: they are our children now."""
    while True:
        pids = descendants(os.getpid())
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended meanwhile
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _reap(child: int) -> int | None:
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status
