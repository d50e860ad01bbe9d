"""Sockets that listen before the program runs, in every Python."""

import itertools
import os
import socket
import subprocess
from pathlib import Path

import pytest

from emulator.shipped import SHIMS

PYTHONS = sorted(map(str, Path.home().glob(".pyenv/versions/*/bin/python"))) or ["python3"]
PROGRAM = """
import socket, sys
sys.stdout.write("up\\n"); sys.stdout.flush()
for number in (3, 4):
    listener = socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM)
    connection, _ = listener.accept()
    connection.sendall(str(number).encode())
    connection.close()
"""
# Below what the system hands out to others, and apart from what a test beside this one takes.
_ports = itertools.count(10_000 + 20 * (os.getpid() % 1000), 2)


@pytest.mark.parametrize("python", PYTHONS)
def test_they_are_descriptors_three_and_four(python: str) -> None:
    port = next(_ports)
    shim = [python, str(SHIMS / "listening.py"), str(port), "2"]
    with subprocess.Popen([*shim, python, "-c", PROGRAM], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        for number in (3, 4):
            with socket.create_connection(("127.0.0.1", port + number - 3), 10) as connection:
                assert connection.recv(10) == str(number).encode()
        assert process.wait(10) == 0
