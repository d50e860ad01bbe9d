"""How replicas find and greet one another: a line of JSON there, a line of JSON back."""

import json
import socket
import threading
import time

PATIENCE_S = 120  # replicas of a large cluster do not all start at once


class Greeter(object):
    """Answers at this replica's own port and remembers who said what."""

    def __init__(self, me, port):
        self.me = me
        self._heard = {"hello": set(), "done": set()}
        self._changed = threading.Condition()
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(("", port))
        self._listening.listen(128)
        thread = threading.Thread(target=self._serve)
        thread.daemon = True
        thread.start()

    def _serve(self):
        while True:
            connection, _ = self._listening.accept()
            try:
                self._answer(connection)
            except (OSError, ValueError):
                pass  # whoever it was comes again
            finally:
                connection.close()

    def _answer(self, connection):
        connection.settimeout(10)
        message = json.loads(connection.makefile().readline())
        connection.sendall(line({"task": self.me, "word": message["word"]}))
        with self._changed:
            self._heard[message["word"]].add(message["task"])
            self._changed.notify_all()

    def wait_for(self, word, tasks):
        """Until all ``tasks`` have said ``word``."""
        end = time.time() + PATIENCE_S
        with self._changed:
            while not self._heard[word] >= set(tasks):
                if time.time() > end:
                    missing = sorted(set(tasks) - self._heard[word])
                    raise RuntimeError("no {} from {}".format(word, ", ".join(missing)))
                self._changed.wait(1)

    def say(self, word, address):
        """Say ``word`` to whoever answers at ``host:port``; its name."""
        end = time.time() + PATIENCE_S
        while True:
            try:
                return self._say(word, address)["task"]
            except (OSError, ValueError) as error:
                if time.time() > end:
                    raise RuntimeError("nobody answers at {}: {}".format(address, error))
                time.sleep(0.1)

    def _say(self, word, address):
        host, port = address.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=10)
        try:
            connection.sendall(line({"task": self.me, "word": word}))
            return json.loads(connection.makefile().readline())
        finally:
            connection.close()


def line(message):
    return (json.dumps(message) + "\n").encode()
