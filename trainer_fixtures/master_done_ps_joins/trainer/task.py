"""The master ends well; the parameter server waits until it is told to go, as servers do."""

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
host, port = config["cluster"]["ps"][0].rsplit(":", 1)


def told_to_go(number, _):
    print("the parameter server was sent signal", int(number), flush=True)
    sys.exit(7)  # no failure any more: the job has ended by then


def serve():
    signal.signal(signal.SIGTERM, told_to_go)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("", int(port)))
    listening.listen(1)
    print("the parameter server waits", flush=True)
    while True:
        listening.accept()[0].close()


def reach():
    end = time.time() + PATIENCE_S
    while True:
        try:
            return socket.create_connection((host, int(port)), timeout=10).close()
        except OSError:
            if time.time() > end:
                raise
            time.sleep(0.1)


if config["task"]["type"] == "ps":
    serve()
reach()
print("the master is done")
