"""The supervisor by its protocol alone, as an ordinary user, and when things go wrong."""

import fcntl
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.isolation import probe
from emulator.runners.process import remove_folder
from emulator.shipped import SHIMS

NOBODY = 65534
DEADLINE_S = 90.0
REPLICA = {"name": "r", "env": {"PATH": "/usr/bin:/bin"}, "isolation": "none"}


class Site:
    """A supervisor and its control socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"cmle-site-test-{secrets.token_hex(6)}"
        self.lock = (folder / "lock").open("w")
        fcntl.lockf(self.lock, fcntl.LOCK_EX)
        spec = {
            "site_id": "s",
            "grace_s": 30,
            "instance": self.name,
            "socket": self.name,
            "lock": str(folder / "lock"),
            "bundle": None,
            "hosts": [],
        }
        (folder / "spec.json").write_text(json.dumps(spec))

    def begin(self, **limits: Any) -> None:
        program = SHIMS / "supervision" / "supervisor.py"
        subprocess.run([sys.executable, "-I", "-S", program, self.folder], check=True, **limits)

    def ask(self, **request: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(DEADLINE_S)
            control.connect(f"\0{self.name}")
            control.sendall(json.dumps(request).encode() + b"\n")
            with control.makefile() as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
                return answer

    def start(self, command: str) -> dict[str, Any]:
        argv = ["/bin/sh", "-c", command]
        return self.ask(start={**REPLICA, "argv": argv, "work_dir": str(self.folder)})

    @property
    def end(self) -> Path:
        return self.folder / "replicas" / "r" / "exit.json"

    def is_up(self) -> bool:
        return f"@{self.name}" in Path("/proc/net/unix").read_text()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    if site.is_up():
        site.ask(close=True)
    site.lock.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # a poll, with a deadline


def test_detaches_from_whoever_started_it(site: Site) -> None:
    site.begin()
    pid = site.ask(status=True)["pid"]
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert int(stat[1]) != os.getpid()
    assert int(stat[3]) != os.getsid(0)


def test_refuses_a_second_one_on_a_site(site: Site) -> None:
    site.begin()
    with pytest.raises(subprocess.CalledProcessError):
        site.begin(stderr=subprocess.DEVNULL)


def test_answers_nonsense_with_an_error(site: Site) -> None:
    site.begin()
    assert "are understood" in site.ask(what=1)["error"]
    assert "cannot be the name" in site.ask(start={**REPLICA, "name": "../x"})["error"]
    assert "KeyError" in site.ask(start=REPLICA)["error"]
    assert site.ask(status=True)["replicas"] == {}


def test_sigterm_ends_all_in_order(site: Site) -> None:
    site.begin()
    site.start("trap 'echo bye; exit 3' TERM; while :; do sleep 0.02; done")
    os.kill(site.ask(status=True)["pid"], signal.SIGTERM)
    until(lambda: not site.is_up())
    assert json.loads(site.end.read_text())["reason"] == "stopped"


@pytest.mark.parametrize("killed", [False, True])
def test_the_temporary_folder_of_a_plain_process_goes_with_it(site: Site, *, killed: bool) -> None:
    site.begin()
    site.start('touch "$TMPDIR/left"; echo "$TMPDIR" > place; exec sleep 614.7')
    until(lambda: (site.folder / "place").exists() and (site.folder / "place").read_text() != "")
    place = Path((site.folder / "place").read_text().strip())
    assert place != Path(tempfile.gettempdir())
    assert (place / "left").exists()
    if killed:
        os.kill(site.ask(status=True)["pid"], signal.SIGKILL)
    else:
        site.ask(stop={"names": None, "grace_s": 5})
    until(lambda: not place.exists())


def test_an_end_is_kept_until_there_is_room(site: Site) -> None:
    """A limit on the size of files stands for the full disk; it is lifted from outside."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, before[1]))
    try:
        site.begin()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    pid = site.ask(status=True)["pid"]
    assert site.start("exit 9")["ok"]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (10, before[1]))
    assert site.ask(wait="r")["code"] == 9
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    until(site.end.exists)
    assert json.loads(site.end.read_text())["code"] == 9


DRIVER = """
    import fcntl, json, os, socket, subprocess, sys
    folder, shims = sys.argv[1:]
    lock = open(folder + "/lock", "w")
    fcntl.lockf(lock, fcntl.LOCK_EX)
    open(folder + "/bundle", "w").write("the bundle")
    os.mkdir(folder + "/work")
    name = "cmle-test-" + os.path.basename(folder)
    gateway = socket.socket(socket.AF_UNIX)
    gateway.bind("\\0cmle-gateway-" + name)
    gateway.listen()

    def serve(count, talk):
        connection, _ = gateway.accept()
        _, numbers, _, _ = socket.recv_fds(connection, 65536, 8)
        listeners = [socket.socket(fileno=number) for number in numbers]
        assert len(listeners) == 3, numbers
        visitor, _ = listeners[0].accept()
        visitor.sendall(b"hello")
        visitor.close()
        return connection

    def ask(request):
        control = socket.socket(socket.AF_UNIX)
        control.connect("\\0" + name)
        control.sendall(json.dumps(request).encode() + b"\\n")
        return json.loads(control.makefile().readline())

    spec = {"site_id": "s", "grace_s": 30, "instance": name, "socket": name,
            "lock": folder + "/lock", "authority": folder + "/bundle",
        "hosts": ["h.googleapis.com"]}
    json.dump(spec, open(folder + "/spec.json", "w"))
    supervision = shims + "/supervision/"
    subprocess.run([sys.executable, "-I", "-S", supervision + "supervisor.py", folder], check=True)
    code = '''
    import os, socket
    print(os.getuid(), sorted(filter(str.isdigit, os.listdir("/proc"))))
    print(os.path.exists(%r), open("/etc/ssl/certs/ca-certificates.crt").read())
    print([row.split()[1] for row in open("/proc/self/status") if row.startswith("CapEff")])
    print(socket.create_connection(("h.googleapis.com", 443)).makefile().read())
    open("made", "w")
    '''.replace("\\n    ", "\\n") % (folder + "/bundle")
    replica = {"name": "r", "argv": [sys.executable, "-c", code], "env": {}, "binds": [],
               "isolation": "namespaces", "work_dir": folder + "/work",
               "network": {"scope": "google", "identity": {}, "allow_hosts": []}}
    ask({"start": replica})
    visit = serve(3, "hello")
    end = ask({"wait": "r"})
    rows = [json.loads(row)["text"] for row in open(folder + "/replicas/r/lines.jsonl")]
    ask({"close": True})
    visit.close()

    ours, theirs = socket.socketpair()
    plan = {"fd": theirs.fileno(), "bundle": folder + "/bundle", "files": {}}
    command = "id -u; cat /etc/ssl/certs/ca-certificates.crt; ls %s/work" % folder
    enclosed = subprocess.Popen(
        [sys.executable, "-I", "-S", supervision + "enclose.py", json.dumps(plan),
         "/bin/sh", "-c", command],
        pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True)
    theirs.close()
    message, numbers, _, _ = socket.recv_fds(ours, 65536, 8)
    ours.send(b"g")
    print(json.dumps({"end": end, "rows": rows, "listeners": len(numbers),
                      "enclosed": enclosed.communicate()[0], "message": message.decode()}))
"""


def as_nobody(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        timeout=DEADLINE_S,
    )


def nobodys_python() -> str:
    """An interpreter that an ordinary user may run."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("becoming an ordinary user needs root and setpriv")
    if probe().isolation == "none":
        pytest.skip(f"no namespaces here: {probe().reason}")
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        # By way of a shell: setpriv's own exec may still go where root may go.
        done = as_nobody("/bin/sh", "-c", 'exec "$0" -c "$1"', python, check)
        if done.returncode == 0:
            return python
    pytest.skip("no Python from 3.11 on that an ordinary user may run")


def test_all_of_it_works_for_an_ordinary_user() -> None:
    python = nobodys_python()
    folder = Path(tempfile.mkdtemp(prefix="cmle-test-"))
    try:
        shims = folder / "shims"
        shutil.copytree(SHIMS, shims, ignore=shutil.ignore_patterns("__pycache__"))
        home = folder / f"home-{secrets.token_hex(4)}"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        folder.chmod(0o755)
        sandbox = as_nobody(python, "-I", "-S", str(shims / "supervision" / "sandbox.py"))
        if problem := sandbox.stdout.strip():
            pytest.skip(f"no namespaces for ordinary users here: {problem}")
        done = as_nobody(python, "-c", textwrap.dedent(DRIVER), str(home), str(shims))
        assert done.stderr == ""
        found = json.loads(done.stdout)
    finally:
        remove_folder(folder)
    assert found["rows"] == ["0 ['1', '2']", "False the bundle", "['0000000000000000']", "hello"]
    assert (found["end"]["reason"], found["end"]["code"]) == ("exited", 0)
    assert found["enclosed"] == f"{NOBODY}\nthe bundlemade\n"
    assert found["listeners"] == 3
