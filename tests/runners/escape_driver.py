"""Runs ``escape_attempts.py`` as a replica of a cluster, with things outside to get at.

``python escape_driver.py FOLDER SHIMS ATTEMPTS`` needs nothing but Python from 3.11 on, so that any
user of the machine may run it. It prints the lines of the attempts, and at last
``{"reached": [...]}``: what somebody outside saw of them.
"""

import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

HOSTS = ["cmle-training-master-0", "cmle-training-worker-0"]
SERVE = "import socket; s = socket.create_server(('', 2222)); print('up', flush=True); s.accept()"
EMULATED = b"HTTP/1.0 404 Not Found\r\nServer: the emulator's\r\n\r\n"


class Outside:
    """What a replica must not reach; it remembers who came."""

    def __init__(self, folder: Path) -> None:
        self.reached: list[str] = []
        self.abstract = f"cmle-outside-{os.getpid()}"
        self.path = str(folder / "outside.sock")
        self.secret = folder / "secret"
        self.secret.write_text("secret")
        self.ports = [
            self._serve("tcp", socket.create_server((host, 0)))
            for host in ("127.0.0.1", "")  # the loopback, and every address of the machine
        ]
        for name in (f"\0{self.abstract}", self.path):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(name)
            listener.listen()
            self._serve("unix", listener)

    def _serve(self, name: str, listener: socket.socket) -> int:
        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                self.reached.append(name)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        found = listener.getsockname()
        return int(found[1]) if isinstance(found, tuple) else 0

    @staticmethod
    def addresses() -> list[str]:
        """Every IPv4 address of this machine, and where it would be seen from a network."""
        table = Path("/proc/net/fib_trie").read_text()
        return sorted(set(re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", table)))


class Supervised:
    """A site by its supervisor's protocol."""

    def __init__(self, folder: Path, shims: Path, instance: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.name = f"cmle-site-{instance}-{folder.name}"
        spec = {
            "site_id": folder.name,
            "grace_s": 30,
            "instance": instance,
            "socket": self.name,
            "lock": str(folder.parent / "lock"),
            "bundle": None,
            "hosts": ["storage.googleapis.com"],
            "replica_hosts": HOSTS,
            "isolation": "namespaces",
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        program = shims / "supervision" / "supervisor.py"
        subprocess.run([sys.executable, "-I", "-S", program, folder], check=True)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(100)
            control.connect(f"\0{self.name}")
            control.sendall(json.dumps(request).encode() + b"\n")
            with control.makefile() as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
                return answer

    def start(self, name: str, host: str, *argv: str) -> None:
        work = self.folder / f"work-{name}"
        work.mkdir()
        replica = {
            "name": name,
            "argv": [sys.executable, *argv],
            "env": {"PATH": "/usr/bin:/bin"},
            "isolation": "namespaces",
            "work_dir": str(work),
            "hostname": host,
            "network": {"scope": "google", "identity": {}, "allow_hosts": []},
            "binds": [
                {"source": str(prefix), "target": str(prefix)}
                for prefix in {Path(sys.prefix), Path(sys.base_prefix)}
            ],
        }
        answer = self.ask({"start": replica})
        assert "error" not in answer, answer

    def lines(self, name: str) -> list[str]:
        rows = (self.folder / "replicas" / name / "lines.jsonl").read_text().splitlines()
        return [json.loads(row)["text"] for row in rows]


def gateway(instance: str) -> None:
    """Answer at every listener that is handed over."""
    control = socket.socket(socket.AF_UNIX)
    control.bind(f"\0cmle-gateway-{instance}")
    control.listen()

    def answer(listener: socket.socket) -> None:
        while True:
            visitor, _ = listener.accept()
            visitor.sendall(EMULATED)
            visitor.shutdown(socket.SHUT_WR)

    def serve() -> None:
        kept = []
        while True:
            connection, _ = control.accept()
            kept.append(connection)
            for number in socket.recv_fds(connection, 65536, 8)[1]:
                listener = socket.socket(fileno=number)
                threading.Thread(target=answer, args=(listener,), daemon=True).start()
            connection.sendall(b'{"ok":true}\n')

    threading.Thread(target=serve, daemon=True).start()


def main() -> None:
    folder, shims, attempts = map(Path, sys.argv[1:])
    instance = f"escape{os.getpid()}"
    lock = (folder / "lock").open("w")
    fcntl.lockf(lock, fcntl.LOCK_EX)
    gateway(instance)
    outside = Outside(folder)
    here, there = (Supervised(folder / name, shims, instance) for name in ("here", "there"))
    try:
        there.start("victim", HOSTS[0], "-c", SERVE)
        config = {
            "tcp": [
                ["the host", host, port]
                for host in (*outside.addresses(), "10.99.0.1", "localhost")
                for port in outside.ports
            ]
            + [["another site", host, 2222] for host in (HOSTS[0], "10.99.0.2")],
            "ports": [22, 80, 443, 2375, *outside.ports],
            "unix": [outside.path],
            "abstract": [outside.abstract, here.name, there.name, f"cmle-gateway-{instance}"],
            "read": [str(outside.secret), str(here.folder / "spec.json"), "/etc/shadow"],
            "write": [str(outside.secret), "/usr/bin/env", os.path.realpath(sys.executable)],
            "create": ["/usr/x", "/usr/bin/x", f"{sys.base_prefix}/x", "/etc/alternatives/x"],
            "pids": [os.getpid(), os.getppid()],
            "commands": ["escape_driver"],
            "variables": ["OF_THE_HOST"],
            "metadata": ["the emulator's"],
        }
        here.start("attempts", HOSTS[1], "-c", attempts.read_text(), json.dumps(config))
        end = here.ask({"wait": "attempts"})
        seen = {"reached": outside.reached, "victim": there.lines("victim"), "end": end}
        sys.stdout.write("\n".join([*here.lines("attempts"), json.dumps(seen), ""]))
    finally:
        for site in (here, there):
            site.ask({"close": True})


if __name__ == "__main__":
    main()
