"""What the service's images did at the start of Python: logging and tracebacks become records.

Python imports this file by itself (its folder is on PYTHONPATH). It puts the folders of
CMLE_SITE_PACKAGES before the environment's own, as a user's site was in the service, sends
records of ``logging`` and the traceback of an uncaught exception to the socket CMLE_LOG_FD
or, where there can be none (CMLE_LOG_STREAM=stderr), as marked lines to the container's own
standard error, starts the stubs of accelerators where a variable asks for one, and hands over
to another sitecustomize, if there is one. Otherwise it leaves no trace: a failure of its own
never reaches the program. Runs on Python 2.7 and every Python 3.
"""

import os
import sys

_TEXT_LIMIT = 60000  # bytes of a packet; longer texts are sent in pieces
_LINE_LIMIT = 3800  # of a marked line's text: with its head below PIPE_BUF, so never torn


class _Channel(object):
    """The supervisor's socket: one write is one record, whole whoever else writes."""

    def __init__(self, number, inode):
        self._number = number
        self._inode = inode

    def is_open(self):
        """Whether the descriptor is still ours: a program may have closed or reused it."""
        try:
            return os.fstat(self._number).st_ino == self._inode
        except OSError:
            return False

    def send(self, kind, level, path, lineno, text):
        """Answer whether the record was taken."""
        if not self.is_open():
            return False
        head = "\0".join((kind, level, path, str(lineno), ""))
        head, body = _bytes(head), _bytes(text)
        try:
            for at in range(0, max(len(body), 1), _TEXT_LIMIT):
                self._write(head + body[at : at + _TEXT_LIMIT])
        except (OSError, IOError):
            return False
        return True

    def _write(self, packet):
        while True:
            try:
                os.write(self._number, packet)
                return
            except (OSError, IOError) as error:
                if error.errno != 4:  # EINTR, which Python 2 shows
                    raise


class _Marked(_Channel):
    """The pipe of a container's standard error: marked lines, one or more a record.

    A line is "\\x1ecmle KEY + BASE64" while more of the record KEY comes, "… . BASE64" at its
    end; put together and decoded it is JSON: kind, level, path, line number, text.
    """

    _count = 0

    def send(self, kind, level, path, lineno, text):
        if not self.is_open():
            return False
        import base64
        import json

        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        record = json.dumps([kind, level, path, lineno, text])
        body = base64.b64encode(record.encode("ascii", "replace")).decode("ascii")
        _Marked._count += 1
        key = "%d.%d" % (os.getpid(), _Marked._count)
        try:
            for at in range(0, len(body), _LINE_LIMIT):
                more = "+" if at + _LINE_LIMIT < len(body) else "."
                piece = body[at : at + _LINE_LIMIT]
                # It begins on a line of its own, whatever was written before.
                self._write(("\n\x1ecmle %s %s %s\n" % (key, more, piece)).encode("ascii"))
        except (OSError, IOError):
            return False
        return True


def _bytes(text):
    if isinstance(text, bytes):
        return text
    return text.encode("utf-8", "replace")


def _capture_logging(channel, level):
    import logging

    class Handler(logging.Handler):
        """No lock: one write is atomic, and a lock would be held for ever after a fork."""

        def handle(self, record):
            chosen = self.filter(record)
            if chosen:
                self.emit(chosen if isinstance(chosen, logging.LogRecord) else record)
            return chosen

        def emit(self, record):
            try:
                text = self.format(record)
                taken = channel.send("R", record.levelname, record.pathname, record.lineno, text)
                if taken:
                    _quiet_absl(logging)
                elif sys.stderr is not None:
                    sys.stderr.write(text + "\n")
            except Exception:
                self.handleError(record)

    handler = Handler()
    logging.getLogger().addHandler(handler)
    if isinstance(logging.getLevelName(level), int):
        logging.getLogger().setLevel(level)
    else:
        logging.getLogger().setLevel(logging.INFO)


def _quiet_absl(logging):
    """Keep absl's app.run from saying everything a second time on standard error.

    It puts a handler of its own beside ours; what that one does on FATAL (it aborts), and
    what it writes to a file, stays.
    """
    for handler in logging.getLogger().handlers:
        python_handler = getattr(handler, "python_handler", None)
        if type(handler).__name__ == "ABSLHandler" and python_handler and not handler.filters:

            class NotTwice(logging.Filter):
                def filter(self, record, target=python_handler):
                    on_terminal = target.stream is sys.stderr
                    return record.levelno >= logging.FATAL or not on_terminal

            handler.addFilter(NotTwice())


def _capture_tracebacks(channel):
    def hook(kind, value, trace):
        if not channel.is_open():
            sys.__excepthook__(kind, value, trace)
            return
        import traceback

        text = "".join(traceback.format_exception(kind, value, trace)).rstrip("\n")
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        path = trace.tb_frame.f_code.co_filename if trace else ""
        if not channel.send("T", "ERROR", path, trace.tb_lineno if trace else 0, text):
            sys.__excepthook__(kind, value, trace)

    sys.excepthook = hook


def _add_site_packages(folders):
    import site

    own = [folder for folder in folders.split(os.pathsep) if os.path.isdir(folder)]
    before = list(sys.path)
    for folder in own:
        site.addsitedir(folder)
    added = [path for path in sys.path if path not in before]
    names = ("site-packages", "dist-packages")
    places = [at for at, path in enumerate(before) if os.path.basename(path) in names]
    at = places[0] if places else len(before)
    sys.path[:] = before[:at] + added + before[at:]


def _hand_over():
    """Run the sitecustomize that this one hides; Python keeps whichever stays in its table."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        __import__("sitecustomize")
    except ImportError as error:
        # Python 2's says no name: its message ends with it
        if "sitecustomize" not in (getattr(error, "name", None) or str(error)):
            raise
    finally:
        if ours is not None and sys.modules.setdefault("sitecustomize", ours) is not ours:
            sys.modules["_cmle_capture"] = ours  # Python 2 empties a module that is let go


def _containers_stderr():
    """A duplicate of standard error, if it is still the pipe that init got from the engine.

    A Python that another program reads (a subprocess with a pipe) is left alone.
    """
    ours, its = os.fstat(2), os.stat("/proc/1/fd/2")
    if (ours.st_dev, ours.st_ino) != (its.st_dev, its.st_ino):
        return None
    import fcntl

    number = fcntl.fcntl(2, fcntl.F_DUPFD, 100)
    fcntl.fcntl(number, fcntl.F_SETFD, fcntl.fcntl(number, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)
    return _Marked(number, ours.st_ino)


def _channel():
    number = os.environ.get("CMLE_LOG_FD", "")
    inode = os.environ.get("CMLE_LOG_INODE", "")
    if number.isdigit() and inode.isdigit():
        channel = _Channel(int(number), int(inode))
        return channel if channel.is_open() else None
    if os.environ.get("CMLE_LOG_STREAM") == "stderr":
        return _containers_stderr()
    return None


def _begin():
    folders = os.environ.get("CMLE_SITE_PACKAGES")
    if folders:
        _add_site_packages(folders)
    channel = _channel()
    if channel is not None:
        _capture_logging(channel, os.environ.get("CLOUD_ML_LOG_LEVEL") or "INFO")
        _capture_tracebacks(channel)
    if os.environ.get("CMLE_TPU_STUB") or os.environ.get("CMLE_GPU_STUB"):
        _emulate_accelerators()


def _emulate_accelerators():
    """The package is on PYTHONPATH where the variables are set; it needs Python 3.6."""
    try:
        import cmle_accelerators

        cmle_accelerators.begin()
    except Exception:
        import logging

        logging.getLogger("cmle").exception("The job's accelerators cannot be emulated here.")


try:
    _begin()
except Exception:
    pass  # the program comes first
_hand_over()
