"""A worker whose machine goes away once: it is started again in place and finishes its work.

The master counts how often the worker has come, for the worker itself cannot know.
"""

import argparse
import json
import os
import signal
import socket
import sys
import time

PATIENCE_S = 120

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir")
parser.parse_args()

config = json.loads(os.environ["TF_CONFIG"])
cluster, task = config["cluster"], config["task"]
master = (cluster.get("chief") or cluster["master"])[0]
host, port = master.rsplit(":", 1)


def ask_master(message):
    end = time.time() + PATIENCE_S
    while True:
        try:
            connection = socket.create_connection((host, int(port)), timeout=10)
            connection.sendall((message + "\n").encode())
            answer = connection.makefile().readline().strip()
            if answer:
                return answer
        except OSError:
            if time.time() > end:
                raise
        time.sleep(0.1)


def count_lives():
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("", int(port)))
    listening.listen(16)
    listening.settimeout(PATIENCE_S)
    lives = []
    while len(lives) < 2:
        connection, _ = listening.accept()
        lives.append(connection.makefile().readline().strip())
        connection.sendall("{}\n".format(len(lives)).encode())
        connection.close()
    return lives


if task["type"] == "worker":
    life = ask_master("{} on {}".format(cluster["worker"][task["index"]], socket.gethostname()))
    print("life", life, "of the worker", flush=True)
    if life == "1":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(3600)
    print("the worker has done its work")
else:
    first, second = count_lives()
    print("the worker came as", first)
    print("and again as", second)
    sys.exit(0 if first == second else "it came back under another name")
