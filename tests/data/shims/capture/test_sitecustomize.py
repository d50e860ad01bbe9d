"""Run by every Python of this machine that a runtime might use."""

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.isolation import probe
from emulator.runners.docker.frames import RECORD, Records
from emulator.shipped import CAPTURE

VERSIONS = ("2.7", "3.5", "3.6", "3.7", "3.8", "3.10", "3.11", "3.13")


def interpreters() -> Iterator[str]:
    """This Python, and real ones (no launcher's scripts) on PATH or in pyenv."""
    yield sys.executable
    for version in VERSIONS:
        installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        found = [*map(str, installed), shutil.which(f"python{version}") or ""]
        for path in found:
            if path and ".pyenv/shims" not in path:
                yield path
                break


class Program:
    """Runs snippets with a log socket, as the supervisor runs a replica."""

    def __init__(self, python: str, folder: Path) -> None:
        self._python = python
        self._folder = folder

    def run(self, code: str, **env: str) -> tuple[list[list[str]], str, str, int]:
        """Records, standard output and error, exit code."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                number = theirs.fileno()
                given = {
                    "PYTHONPATH": str(CAPTURE),
                    "CMLE_LOG_FD": str(number),
                    "CMLE_LOG_INODE": str(os.fstat(number).st_ino),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "LC_ALL": "C.UTF-8",
                    **env,
                }
                done = subprocess.run(
                    [self._python, "-c", textwrap.dedent(code)],
                    env=given,
                    pass_fds=[number],
                    cwd=self._folder,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=60,
                )
            records = [
                packet.split("\0") for packet in iter(lambda: ours.recv(1 << 20).decode(), "")
            ]
        return records, done.stdout, done.stderr, done.returncode


@pytest.fixture(params=[*interpreters()])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    return Program(request.param, tmp_path)


def test_logging_becomes_records(program: Program) -> None:
    code = "import logging\nlogging.info('n %d', 1)\nlogging.getLogger('a.b').warning('w')\n"
    records, out, err, status = program.run(code)
    assert [(row[0], row[1], row[3], row[4]) for row in records] == [
        ("R", "INFO", "2", "n 1"),
        ("R", "WARNING", "3", "w"),
    ]
    assert (out, err, status) == ("", "", 0)


def test_the_level_is_info_or_what_is_chosen(program: Program) -> None:
    code = "import logging; logging.debug('d'); logging.info('i'); logging.error('e')"
    assert [row[4] for row in program.run(code)[0]] == ["i", "e"]
    assert [row[4] for row in program.run(code, CLOUD_ML_LOG_LEVEL="ERROR")[0]] == ["e"]
    assert [row[4] for row in program.run(code, CLOUD_ML_LOG_LEVEL="odd")[0]] == ["i", "e"]


def test_basic_config_adds_no_second_voice(program: Program) -> None:
    code = "import logging; logging.basicConfig(); logging.warning('once')"
    records, _, err, _ = program.run(code)
    assert [row[4] for row in records] == ["once"]
    assert err == ""


def test_absl_says_nothing_twice(program: Program) -> None:
    """What absl's app.run does, in short: a handler of its own on the root logger."""
    code = """
        import logging, sys
        class ABSLHandler(logging.Handler):
            python_handler = logging.StreamHandler(sys.stderr)
            def emit(self, record):
                self.python_handler.emit(record)
        logging.getLogger().addHandler(ABSLHandler())
        logging.info("once")
        logging.fatal("the end")
        ABSLHandler.python_handler.stream = sys.stdout
        logging.info("to a file")
    """
    records, out, err, _ = program.run(code)
    assert [row[4] for row in records] == ["once", "the end", "to a file"]
    assert (out, err) == ("to a file\n", "the end\n")


def test_an_uncaught_exception_is_one_record(program: Program) -> None:
    records, _, err, status = program.run("def f():\n    raise ValueError('v\u00e4')\nf()")
    [(kind, level, path, lineno, text)] = records
    assert (kind, level, path, lineno) == ("T", "ERROR", "<string>", "2")
    assert text.startswith("Traceback (most recent call last):\n")
    assert re.search("\nValueError: v", text)
    assert (err, status) == ("", 1)


def test_a_logged_exception_has_its_traceback(program: Program) -> None:
    code = "import logging\ntry: 1/0\nexcept Exception: logging.exception('oh')"
    [row] = program.run(code)[0]
    assert row[4].startswith("oh\nTraceback")


def test_an_exit_is_no_exception(program: Program) -> None:
    assert program.run("import sys; sys.exit(4)") == ([], "", "", 4)
    records, _, err, status = program.run("import sys; sys.exit('words')")
    assert (records, err, status) == ([], "words\n", 1)


def test_long_texts_come_in_pieces(program: Program) -> None:
    records = program.run("import logging; logging.info('x' * 200000)")[0]
    assert "".join(row[4] for row in records) == "x" * 200000


def test_forked_processes_log_as_well(program: Program) -> None:
    code = """
        import logging, os
        handler = logging.getLogger().handlers[0]
        handler.acquire()
        if os.fork() == 0:
            logging.info("child")
            os._exit(0)
        os.wait()
        handler.release()
        logging.info("parent")
    """
    assert [row[4] for row in program.run(code)[0]] == ["child", "parent"]


@pytest.mark.parametrize("number", ["", "x", "99"])
def test_without_the_socket_nothing_is_changed(program: Program, number: str) -> None:
    code = """
        import logging, sys
        print(logging.getLogger().handlers == [] and sys.excepthook is sys.__excepthook__)
    """
    assert program.run(code, CMLE_LOG_FD=number)[1:] == ("True\n", "", 0)


def test_a_reused_descriptor_is_not_written_to(program: Program) -> None:
    code = """
        import logging, os
        number = int(os.environ["CMLE_LOG_FD"])
        target = os.open("file", os.O_RDWR | os.O_CREAT)
        os.dup2(target, number)
        logging.warning("not into the file")
        assert os.fstat(target).st_size == 0
        1/0
    """
    records, _, err, status = program.run(code)
    assert (records, status) == ([], 1)
    assert err.startswith("not into the file\nTraceback")


def test_another_sitecustomize_runs_too(program: Program, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text("import sys\nsys.seen = True\n")
    code = "import gc, logging, sys; gc.collect(); logging.info(sys.seen); 1/0"
    path = f"{CAPTURE}:{tmp_path / 'other'}"
    records, _, err, _ = program.run(code, PYTHONPATH=path)
    assert [row[0] for row in records] == ["R", "T"]
    assert records[0][4] == "True"
    assert err == ""


def test_site_packages_come_before_the_environments_own(program: Program, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "further").mkdir(parents=True)
    (own / "pip").mkdir()
    (own / "pip" / "__init__.py").write_text("mine = True\n")
    (own / "own.pth").write_text("further\n")
    (own / "further" / "deeper.py").touch()
    code = "import os, pip, deeper, sys; print(pip.mine, sys.path.index(os.environ['OWN']) > 1)"
    found = program.run(code, CMLE_SITE_PACKAGES=f"{own}:/not/there", OWN=str(own))
    assert found[1:3] in {("True True\n", ""), ("(True, True)\n", "")}


def test_leaves_no_trace_on_the_path(program: Program) -> None:
    found = program.run(f"import sys; print({str(CAPTURE)!r} in sys.path)")
    assert found[1:] == ("False\n", "", 0)


# -- in a container: marked lines on its standard error


class Contained(Program):
    """Runs snippets as process 1 of a namespace: its standard error is the container's."""

    def run_contained(self, code: str) -> tuple[list[tuple[str, str, str, int, str]], str]:
        """Records, and standard error without them."""
        within = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
        env = {"PYTHONPATH": str(CAPTURE), "CMLE_LOG_STREAM": "stderr", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [*within, self._python, "-B", "-c", textwrap.dedent(code)],
            env={**env, "PATH": os.environ["PATH"]},
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert max(map(len, done.stderr.split("\n"))) < select.PIPE_BUF
        records, rest = Records(), []
        found = []
        for line in done.stderr.split("\n"):
            if not line.startswith(RECORD):
                rest.append(line)
            elif (record := records.take(line)) is not None:
                found.append(record)
        return found, "\n".join(filter(None, rest))


@pytest.fixture(params=list(interpreters()))
def contained(request: pytest.FixtureRequest, tmp_path: Path) -> Contained:
    if probe().isolation == "none":
        pytest.skip(f"no namespaces here: {probe().reason}")
    return Contained(request.param, tmp_path)


def test_records_are_marked_lines(contained: Contained) -> None:
    code = """
        import logging, sys
        sys.stderr.write("50%")
        sys.stderr.flush()
        logging.warning("%s", "x" * 9000)
        logging.getLogger("a").info(u"\\xe4\\nsecond")
        logging.debug("not shown")
        1 / 0
    """
    records, rest = contained.run_contained(code)
    assert [(kind, level) for kind, level, *_ in records] == [
        ("R", "WARNING"),
        ("R", "INFO"),
        ("T", "ERROR"),
    ]
    assert records[0][4] == "x" * 9000
    assert records[1][2:] == ("<string>", 6, "ä\nsecond")
    assert records[2][4].splitlines()[-1].startswith("ZeroDivisionError")
    assert rest == "50%"


def test_a_python_whose_errors_are_read_by_another_is_left_alone(contained: Contained) -> None:
    code = """
        import logging, subprocess, sys
        inner = "import logging; logging.warning('inner')"
        process = subprocess.Popen([sys.executable, "-c", inner], stderr=subprocess.PIPE)
        logging.warning(process.communicate()[1].decode())
    """
    records, rest = contained.run_contained(code)
    assert [record[4].strip() for record in records] == ["WARNING:root:inner"]
    assert rest == ""


def test_standard_error_may_go_elsewhere_later(contained: Contained) -> None:
    code = """
        import logging, os
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        logging.warning("still here")
    """
    records, rest = contained.run_contained(code)
    assert [record[4] for record in records] == ["still here"]
    assert rest == ""
