"""Imports a trainer's module in the runtime's Python and asks its argument parser; no training.

``python probe.py PLAN_JSON RESULT_JSON``. The plan: ``preload`` (modules of the environment
to import while the package is still being installed), ``go`` (a FIFO that says, in one JSON
line, where the packages are), ``module``, ``argv``, ``deadline_s``, ``flags`` (libraries
beside argparse that read arguments). Results are written piece by piece, so that whoever
kills this process still knows how far it came. Runs on Python 3.5 and newer.
"""

import ast
import builtins
import importlib
import io
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
import traceback

_STDLIB = os.path.dirname(os.path.abspath(os.__file__))
_EVENTS = 50
_KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_RESULT = {"stage": "preload", "events": [], "syntax": {}}
_OPEN = builtins.open
_REPLACE = os.replace
_MAKEDIRS = os.makedirs


class Place(object):
    """Where first-party code lies; ``recording`` is on while it runs."""

    roots = ()
    recording = False
    entry = ""
    result = ""


def flush():
    part = Place.result + ".part"
    with _OPEN(part, "w") as file:
        json.dump(_RESULT, file)
    _REPLACE(part, Place.result)


def leave():
    """End at once: no handler of the program sees it, no thread of it goes on."""
    Place.recording = False
    flush()
    os._exit(0)


def first_party(path):
    path = os.path.abspath(path)
    return any(path.startswith(root) for root in Place.roots) and any(
        "%s%s" % (root, name) == path or path.startswith("%s%s/" % (root, name))
        for root in Place.roots
        for name in Place.names
    )


def blamed(frame):
    """The first-party line that did it, None if a library did it on its own."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith("<frozen importlib"):
            return None
        if path != __file__ and first_party(path):
            return path, frame.f_lineno
        ours = path == __file__ or os.path.abspath(path) == os.path.abspath(__file__)
        if not ours and not path.startswith(_STDLIB):
            return None
        if "site-packages" in path:
            return None
        frame = frame.f_back
    return None


def note(what, target):
    if not Place.recording or len(_RESULT["events"]) >= _EVENTS:
        return
    place = blamed(sys._getframe(2))
    if place is not None:
        _RESULT["events"].append([what, str(target)[:300], place[0], place[1]])
        flush()


def patch(owner, name, what, describe):
    original = getattr(owner, name, None)
    if original is None:
        return

    def watched(*args, **named):
        try:
            target = describe(*args, **named)
        except Exception:
            target = ""
        if target is not None:
            note(what, target)
        return original(*args, **named)

    watched.__name__ = name
    watched.__wrapped__ = original
    setattr(owner, name, watched)


def _opened(file, mode="r", *_, **__):
    if isinstance(file, int) or not set(mode) & set("wax+"):
        return None
    return os.path.abspath(os.fspath(file))


def _path(path, *_, **__):
    return None if isinstance(path, int) else os.path.abspath(os.fspath(path))


def _address(_, address, *__):
    return address if isinstance(address, str) else "%s:%s" % tuple(address)[:2]


def watch():
    patch(builtins, "open", "write", _opened)
    io.open = builtins.open
    for name in ("mkdir", "makedirs", "symlink", "link", "truncate", "chmod"):
        patch(os, name, "write", _path)
    for name in ("remove", "unlink", "rmdir", "rename", "replace"):
        patch(os, name, "delete", _path)
    import shutil

    patch(shutil, "rmtree", "delete", _path)
    for name in ("fork", "forkpty"):
        patch(os, name, "fork", lambda: "os.fork()")
    patch(os, "system", "start", lambda command: command)

    class Watched(subprocess.Popen):
        def __init__(self, args, *rest, **named):
            note("start", args if isinstance(args, str) else " ".join(map(str, args)))
            super(Watched, self).__init__(args, *rest, **named)

    subprocess.Popen = Watched
    import multiprocessing.process

    patch(multiprocessing.process.BaseProcess, "start", "fork", lambda it: it.name)

    class Socket(socket.socket):
        def connect(self, address):
            note("connect", _address(self, address))
            return super(Socket, self).connect(address)

    socket.socket = Socket
    patch(socket, "getaddrinfo", "connect", lambda host, port, *_, **__: "%s:%s" % (host, port))


def describe(error):
    """The exception as the service's log would show it, and its deepest first-party line."""
    kind, trace = type(error), error.__traceback__
    place = ["", 0]
    rows = traceback.extract_tb(trace)
    shown = [row for row in rows if row[0] != __file__ and not row[0].endswith("runpy.py")]
    for row in shown:
        if first_party(row[0]):
            place = [row[0], row[1]]
    if isinstance(error, SyntaxError) and error.filename and first_party(error.filename):
        place = [error.filename, error.lineno or 0]
    start = [at for at, row in enumerate(shown) if first_party(row[0])]
    lines = traceback.format_list(shown[start[0] if start else 0 :])
    text = "".join(["Traceback (most recent call last):\n"] + lines)
    text += "".join(traceback.format_exception_only(kind, error))
    missing = getattr(error, "name", "") if isinstance(error, ImportError) else ""
    return {
        "kind": kind.__name__,
        "message": str(error)[:1000],
        "path": place[0],
        "line": place[1],
        "missing": missing or "",
        "traceback": text[-6000:],
    }


def guard(deadline_s, stage):
    """Write where the main thread stands and end, if it is still there then."""
    main = threading.main_thread().ident

    def expire():
        frame = sys._current_frames().get(main)
        place = None
        while frame is not None and place is None:
            if first_party(frame.f_code.co_filename):
                place = [frame.f_code.co_filename, frame.f_lineno]
            frame = frame.f_back
        _RESULT["hang"] = {"stage": stage, "path": place[0] if place else "", "line": place[1] if place else 0}
        leave()

    timer = threading.Timer(deadline_s, expire)
    timer.daemon = True
    timer.start()
    return timer


# ---- argument parsers ----


def _said(call):
    """Run a parse; answer (status or None, what it wrote to standard error, its result)."""
    caught = io.StringIO()
    out, err = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = caught
    status, answer = None, None
    try:
        answer = call()
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except Exception as error:
        status = 1
        caught.write("%s: %s" % (type(error).__name__, error))
    finally:
        sys.stdout, sys.stderr = out, err
    lines = [line for line in caught.getvalue().splitlines() if line.strip()]
    return status, (lines[-1] if lines else "")[:2000], answer


def watch_argparse(argv):
    import argparse

    parse_known = argparse.ArgumentParser.parse_known_args
    parse = argparse.ArgumentParser.parse_args
    parse_mixed = getattr(argparse.ArgumentParser, "parse_intermixed_args", None)

    def capture(parser, args, strict):
        if not Place.recording or not (args is None or list(args) == sys.argv[1:]):
            return
        place = blamed(sys._getframe(2))
        if place is None:
            return
        Place.recording = False
        actions = [action for action in parser._actions if action.dest != "help"]
        options = [
            [list(action.option_strings), str(action.dest), bool(action.required)]
            for action in actions
        ]
        given = list(argv)

        def attempt():
            _, left = parse_known(parser, given)
            if strict and left:
                parser.error("unrecognized arguments: %s" % " ".join(left))
            return left

        required_missing = ""
        status, said, _ = _said(attempt)
        if status == 2 and "required" in said:
            required_missing = said
        groups = list(parser._mutually_exclusive_groups)
        for holder in actions + groups:
            holder.required = False
        for action in actions:
            if not action.option_strings and action.nargs is None:
                action.nargs = "?"
        status, said, left = _said(attempt)
        _RESULT["parser"] = {
            "kind": "argparse",
            "path": place[0],
            "line": place[1],
            "strict": strict,
            "prefixes": bool(getattr(parser, "allow_abbrev", True)),
            "options": options,
            "exit": status,
            "message": said,
            "left": left or [],
            "required_missing": required_missing,
        }
        leave()

    def parse_args(self, args=None, namespace=None):
        capture(self, args, True)
        return parse(self, args, namespace)

    def parse_known_args(self, args=None, namespace=None):
        capture(self, args, False)
        return parse_known(self, args, namespace)

    argparse.ArgumentParser.parse_args = parse_args
    argparse.ArgumentParser.parse_known_args = parse_known_args
    if parse_mixed is not None:

        def parse_intermixed_args(self, args=None, namespace=None):
            capture(self, args, True)
            return parse_mixed(self, args, namespace)

        argparse.ArgumentParser.parse_intermixed_args = parse_intermixed_args


def watch_absl(argv):
    """absl.app.run, and the tf.app.run of TensorFlow 1 that ignores what it does not know."""
    from absl import app, flags

    original = app.run

    def run(main, argv_=None, flags_parser=None, **named):
        place = blamed(sys._getframe(1)) or ("", 0)
        if not Place.recording:
            return original(main, argv_, **named)
        Place.recording = False
        tolerant = flags_parser is not None
        known = flags.FLAGS
        options = []
        for name in known:
            flag = known[name]
            names = ["--" + name, "-" + name] + (["--no" + name] if flag.boolean else [])
            options.append([names, name, False])
        given = [sys.argv[0]] + list(argv)
        status, said, left = _said(lambda: known(given, known_only=tolerant)[1:])
        _RESULT["parser"] = {
            "kind": "absl",
            "path": place[0],
            "line": place[1],
            "strict": not tolerant,
            "prefixes": False,
            "options": options,
            "exit": status,
            "message": said,
            "left": [item for item in left or [] if item.startswith("-")],
            "required_missing": "",
        }
        leave()

    def outer(main=None, argv=None, flags_parser=None, **named):
        return run(main, argv, flags_parser, **named)

    app.run = outer


def watch_click(argv):
    import click

    base = getattr(click, "BaseCommand", click.Command)
    original = base.main

    def main(self, args=None, **named):
        place = blamed(sys._getframe(1)) or ("", 0)
        if not Place.recording or not isinstance(self, click.Command):
            return original(self, args, **named)
        Place.recording = False
        options = [
            [list(param.opts) + list(param.secondary_opts), param.name or "", bool(param.required)]
            for param in self.params
            if isinstance(param, click.Option)
        ]

        def attempt():
            try:
                self.make_context("task", list(argv))
            except click.ClickException as error:
                error.show(sys.stderr)
                sys.exit(error.exit_code)

        required_missing = ""
        status, said, _ = _said(attempt)
        if status == 2 and "Missing" in said:
            required_missing = said
        for param in self.params:
            param.required = False
        status, said, _ = _said(attempt)
        strict = not self.ignore_unknown_options
        _RESULT["parser"] = {
            "kind": "click",
            "path": place[0],
            "line": place[1],
            "strict": strict,
            "prefixes": False,
            "options": options,
            "exit": status,
            "message": said,
            "left": [],
            "required_missing": required_missing,
        }
        leave()

    base.main = main


_WATCHERS = {"absl": watch_absl, "click": watch_click}


# ---- the module ----


def compile_all(folder, names):
    for name in names:
        base = os.path.join(folder, name)
        paths = [base + ".py"] if os.path.isfile(base + ".py") else []
        for top, _, files in os.walk(base):
            paths += [os.path.join(top, one) for one in files if one.endswith(".py")]
        for path in paths:
            try:
                with _OPEN(path, "rb") as file:
                    compile(file.read(), path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError) as error:
                inside = os.path.relpath(path, folder)
                line = getattr(error, "lineno", 0) or 0
                _RESULT["syntax"][inside] = [line, str(getattr(error, "msg", error))]


def _is_guard(node):
    if not isinstance(node, ast.If):
        return False
    names = {each.id for each in ast.walk(node.test) if isinstance(each, ast.Name)}
    return "__name__" in names


def find_source(name):
    """The file that ``python -m name`` would run; its parents are imported."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        error = ImportError("No module named %s" % name)
        error.name = name
        raise error
    if spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(name + ".__main__")
        if spec is None:
            raise ImportError(
                "No module named %s.__main__; %r is a package and cannot be directly executed"
                % (name, name)
            )
    return spec.origin


def import_entry(name, path):
    """Import the module; of one that trains when it is imported, only what prepares that."""
    with _OPEN(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    if any(_is_guard(node) for node in tree.body):
        importlib.import_module(name)
        return True
    parses = any(
        isinstance(node, (ast.Name, ast.Attribute))
        and getattr(node, "id", getattr(node, "attr", "")) in {"ArgumentParser", "parse_args", "parse_known_args"}
        for node in ast.walk(tree)
    )
    kept = [
        node
        for node in tree.body
        if isinstance(node, _KEPT) or (isinstance(node, ast.Try) and isinstance(node.body[0], _KEPT))
    ]
    _RESULT["unguarded"] = True
    if parses:
        # Ends in ``capture``, where the parser is to read the arguments.
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return False
    tree.body = kept
    space = {"__name__": name, "__file__": path, "__package__": name.rpartition(".")[0]}
    exec(compile(tree, path, "exec", dont_inherit=True), space)
    return False


def run(plan, packages):
    name = plan["module"]
    Place.names = packages["names"]
    Place.roots = tuple(folder.rstrip("/") + "/" for folder in packages["site_packages"])
    compile_all(packages["site_packages"][0], Place.names) if Place.roots else None
    _RESULT["stage"] = "import"
    flush()
    import importlib.util

    for library in plan["flags"]:
        try:
            _WATCHERS[library](plan["argv"])
        except ImportError:
            pass  # the package's own import will fail
    watch_argparse(plan["argv"])
    watch()
    sys.argv = [name.rpartition(".")[2] + ".py"] + list(plan["argv"])
    began = time.time()
    timer = guard(plan["deadline_s"], "import")
    Place.recording = True
    try:
        path = find_source(name)
        sys.argv[0] = path
        guarded = import_entry(name, path)
    except SystemExit as leaving:
        _RESULT["left"] = str(leaving.code)
        _RESULT["import_s"] = time.time() - began
        _RESULT["stage"] = "imported" if _RESULT.get("unguarded") else "import"
        leave()
    except BaseException as error:
        _RESULT["import_s"] = time.time() - began
        if _RESULT.get("unguarded") and not isinstance(error, (ImportError, SyntaxError)):
            _RESULT["stage"] = "imported"  # it trained: what happened then is no import's
        else:
            _RESULT["failure"] = describe(error)
        leave()
    timer.cancel()
    _RESULT["import_s"] = time.time() - began
    _RESULT["stage"] = "imported"
    flush()
    if guarded and plan["parses"]:
        sys.modules.pop(name, None)
        guard(plan["deadline_s"], "main")
        try:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        except BaseException as error:
            _RESULT["main_failure"] = describe(error)
    leave()


def main():
    with _OPEN(sys.argv[1]) as file:
        plan = json.load(file)
    Place.result = sys.argv[2]
    Place.names = ()
    del sys.path[0]
    flush()
    for name in plan["preload"]:
        try:
            importlib.import_module(name)
        except Exception:
            pass  # the package's own import will tell
    _RESULT["stage"] = "waiting"
    flush()
    with _OPEN(plan["go"]) as pipe:
        packages = json.loads(pipe.readline())
    if packages.get("leave"):
        leave()
    if packages.get("link"):
        source, target = packages["link"]
        _MAKEDIRS(os.path.dirname(target), exist_ok=True)
        os.symlink(source, target)
    import site

    before = list(sys.path)
    for folder in packages["site_packages"]:
        site.addsitedir(folder)
    added = [path for path in sys.path if path not in before]
    kept = [path for path in before if path]
    at = [n for n, path in enumerate(kept) if os.path.basename(path) == "site-packages"]
    sys.path[:] = kept[: at[0]] + added + kept[at[0] :] if at else kept + added
    importlib.invalidate_caches()
    run(plan, packages)


if __name__ == "__main__":
    main()
