"""Run one command with Google's hosts in place, and everything else of the user's kept.

``python -I -S enclose.py PLAN COMMAND…`` with PLAN ``{"fd", "bundle", "files"}``: in a network
and a mount namespace of its own it opens the gateway's listeners, sends them over the socket
``fd`` as ``{"listeners": true}`` (or ``{"failed": text, "code": N}``), waits for a byte, and
becomes the command. ``files`` maps files of /etc to what is shown in their place.
"""

import json
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import kernel
import root
import sandbox

_CACHES = ("/run/nscd", "/var/run/nscd")  # would answer for the hosts file of outside


def main() -> None:
    plan, command = json.loads(sys.argv[1]), sys.argv[2:]
    control = socket.socket(fileno=plan["fd"])
    control.set_inheritable(False)
    try:
        _enter(plan)
        places = (*sandbox.PORTS, sandbox.METADATA)
        listeners = [sandbox.listen(place) for place in places]
    except OSError as error:
        _fail(control, str(error), 1)
    message = json.dumps({"listeners": True}).encode()
    socket.send_fds(control, [message], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()
    if control.recv(1) != b"g":
        sys.exit(1)  # whoever started us has gone, or could not reach the gateway
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        _fail(control, f"{command[0]}: command not found", 127)
    except OSError as error:
        _fail(control, f"{command[0]}: {error.strerror}", 126)


def _enter(plan: dict) -> None:
    kernel.die_with_parent(signal.SIGTERM)
    uid, gid = os.geteuid(), os.getegid()
    flags = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET
    if kernel.may_administer():
        kernel.unshare(flags)
    else:
        kernel.unshare(flags | kernel.CLONE_NEWUSER)
        kernel.map_user(uid, gid, uid, gid)
    kernel.make_private()
    kernel.loopback_up(metadata=True)
    for target, source in plan["files"].items():
        if os.path.exists(target):
            kernel.bind(source, target)
    for folder in _CACHES:
        if os.path.isdir(folder):
            kernel.mount("tmpfs", folder, "tmpfs")
    _trust(plan["bundle"])


def _trust(bundle: str) -> None:
    """Show the bundle wherever this distribution keeps its authorities."""
    for path in sorted({os.path.realpath(path) for path in (root.BUNDLE, *root.BUNDLE_NAMES)}):
        if os.path.exists(path):
            kernel.bind(bundle, path)
    folder = os.path.dirname(root.BUNDLE)
    if not os.path.exists(root.BUNDLE) and os.path.isdir(folder):
        kernel.mount("tmpfs", folder, "tmpfs", data="mode=755")
        with open(bundle, "rb") as source, open(root.BUNDLE, "wb") as target:
            target.write(source.read())


def _fail(control: socket.socket, text: str, code: int) -> None:
    control.send(json.dumps({"failed": text, "code": code}).encode())
    sys.exit(code)


if __name__ == "__main__":
    main()
