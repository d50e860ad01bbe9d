"""Opens listening sockets as file descriptors 3, 4, … and becomes another program.

For containers, whose sockets nobody can hand in:

    listening.py PORT COUNT PROGRAM [ARGUMENT…]

Standard library only, Python 2.7 and every Python 3.
"""

import os
import socket
import sys

_FIRST = 3
_BACKLOG = 512


def main(port, count, program):
    listeners = []
    for number in range(count):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port + number))
        listener.listen(_BACKLOG)
        listeners.append(listener)
    # Out of the way first, so that none is closed by the next one's place.
    high = [_above(listener.fileno(), _FIRST + count) for listener in listeners]
    for number, handle in enumerate(high):
        os.dup2(handle, _FIRST + number)
        if hasattr(os, "set_inheritable"):
            os.set_inheritable(_FIRST + number, True)
        os.close(handle)
    os.execvp(program[0], program)


def _above(handle, floor):
    import fcntl

    return fcntl.fcntl(handle, fcntl.F_DUPFD, floor)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
