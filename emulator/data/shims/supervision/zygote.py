"""A process of a runtime's own Python that has modules imported, and forks replicas.

``python zygote.py FD MODULE…`` imports the modules, says ``{"ready": true}`` or
``{"failed": text}`` over the socket FD, and then takes requests there, each a message
``{"plan", "parent", "files", "joins"}`` with the control socket, the plan's files and its
namespaces as descriptors. A replica of it is one that ``python -m`` would have started, by all
that its module can see: arguments, path, environment, hooks, streams, exit status. Where the
replica brings a module of its own in place of an imported one, it starts by an exec after all.

Runs on Python from 3.7 on.
"""

from __future__ import annotations

import sys

_FOLDER = sys.path[0]  # of this file

import gc
import importlib
import json
import logging
import os
import runpy
import signal
import site
import socket
import struct
import time
import types
from typing import Iterable

import kernel
import sandbox

sys.path[:] = [path for path in sys.path if path != _FOLDER]  # no module finds ours

_REPARENT_DEADLINE_S = 10.0
_LONGEST = 1 << 20


class _Placeholder(logging.Handler):
    """In the place of the handler to come: libraries look whether there is one."""

    def handle(self, record):
        return record


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    kernel.die_with_parent(signal.SIGKILL)
    before = set(sys.modules)
    placeholder = _Placeholder()
    logging.getLogger().addHandler(placeholder)
    logging.getLogger().setLevel(logging.INFO)
    try:
        for name in sys.argv[2:]:
            importlib.import_module(name)
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            raise RuntimeError("%d threads run after the import" % threads)
    except BaseException as error:
        _say(control, failed="%s: %s" % (type(error).__name__, error))
        return
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    gc.disable()  # a collection would write to every object, and so copy its page
    gc.freeze()
    _say(control, ready=True)
    plan = _serve(control)
    if plan is not None:
        control.detach()  # closed long ago: the number may be another's
        logging.getLogger().removeHandler(placeholder)
        logging.getLogger().setLevel(logging.WARNING)
        imported = {name for name in set(sys.modules) - before if "." not in name}
        _take_on(plan, imported)
        _run(plan)


def _serve(control: socket.socket) -> sandbox.Plan | None:
    """Fork for each request; answer a plan in the process that is to run it, None at the end."""
    while True:
        message, ancillary, _, _ = control.recvmsg(_LONGEST, socket.CMSG_SPACE(4 * 200))
        if not message:
            return None
        numbers = [
            number
            for level, kind, data in ancillary
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            for number in struct.unpack("%di" % (len(data) // 4), data[: len(data) // 4 * 4])
        ]
        pid = os.fork()
        if pid == 0:
            try:
                return _begin(json.loads(message.decode()), numbers)
            except sandbox.Chosen as chosen:
                return chosen.args[0]
        for number in numbers:
            os.close(number)
        os.waitpid(pid, 0)


def _begin(request: dict, numbers: list) -> None:
    """Leave the zygote for the supervisor, and be a minder; Chosen in the minder's process."""
    control = socket.socket(fileno=numbers[0])
    described, count = request["plan"], request["files"]
    described["files"] = numbers[1 : 1 + count]
    described["joins"] = numbers[1 + count :]
    plan = sandbox.Plan(**described)
    if os.fork():
        os._exit(0)
    give_up_at = time.monotonic() + _REPARENT_DEADLINE_S
    while os.getppid() != request["parent"]:
        if time.monotonic() > give_up_at:
            os._exit(1)  # the supervisor has ended
        time.sleep(0.0005)
    sandbox.tell(control, minder=True)
    try:
        sandbox.mind(plan, control, _choose)
    except sandbox.Chosen:
        control.detach()  # the number may be one of the new process's own by now
        raise


def _choose(plan: sandbox.Plan) -> None:
    raise sandbox.Chosen(plan)


def _take_on(plan: sandbox.Plan, imported: set) -> None:
    """Be as a Python that ``plan.argv`` has just started."""
    _close_from(1 + len(plan.files))
    if plan.isolated:
        kernel.allow_inspection()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    coerced = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
    os.environ.clear()  # but for what Python itself sets where the locale is C
    os.environ.update({**coerced, **plan.env})
    before = [path for path in plan.env.get("PYTHONPATH", "").split(os.pathsep) if path]
    before = list(dict.fromkeys(map(os.path.abspath, before)))
    packages = plan.env.get("CMLE_SITE_PACKAGES", "").split(os.pathsep)
    anything = {name for name in sys.modules if "." not in name} - {"sitecustomize"}
    if _brings(anything, [os.getcwd(), *before]) or _brings(imported, filter(None, packages)):
        _execute(plan)
    for name, module in list(sys.modules.items()):
        if name != "__main__" and os.path.dirname(getattr(module, "__file__", None) or "") == _FOLDER:
            del sys.modules[name]  # user code has names of its own
    sys.modules.pop("sitecustomize", None)
    importlib.invalidate_caches()
    sys.path[:] = [*before, *(path for path in sys.path if path not in before)]
    site.execsitecustomize()
    sys.path.insert(0, os.getcwd())
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = list(plan.argv)
    sys.argv = list(plan.argv[1:2] + plan.argv[3:])
    _forget()
    gc.enable()


def _close_from(number: int) -> None:
    """What an exec would have closed."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= number:
            try:
                os.close(int(name))
            except OSError:
                pass  # the listing's own descriptor


def _brings(imported: set, folders: Iterable[str]) -> bool:
    """Whether a folder has another module in the place of an imported one."""
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        if any(name.split(".")[0] in imported for name in names):
            return True
    return False


def _execute(plan: sandbox.Plan) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(plan.argv[0], plan.argv, plan.env)


def _forget() -> None:
    """What must not be the same in every replica, or was learnt in another folder."""
    modules = sys.modules
    if "random" in modules:
        modules["random"].seed()
    if "numpy.random" in modules:
        modules["numpy.random"].seed()
    if "tempfile" in modules:
        modules["tempfile"].tempdir = None
    process = modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.getcwd()
        key = process.AuthenticationString(os.urandom(32))
        process.current_process()._config["authkey"] = key


def _run(plan: sandbox.Plan) -> None:
    """Run the module as the main one; the interpreter ends as it does by itself."""
    zygote, main = sys.modules["__main__"], types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    try:
        runpy._run_module_as_main(plan.argv[2])
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        error.__traceback__ = trace
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
        sys.excepthook(type(error), error, trace)
        del error, trace, zygote
        sys.exit(1)


def _say(control: socket.socket, **message: object) -> None:
    control.send(json.dumps(message).encode())


if __name__ == "__main__":
    main()
