"""The real prediction server around a model that needs no TensorFlow; started by tests.

The model doubles numbers. Instead of a number it takes a word: "die" ends the process, "hang" waits
for ever. A model directory with a file "broken" cannot be loaded, one with "crash" ends at once.
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import prediction_rules as rules  # type: ignore[import-not-found]
import prediction_server as server  # type: ignore[import-not-found]


class Toy:
    """One input, one output."""

    def __init__(self, directory: str, threads: int) -> None:
        files = {path.name for path in Path(directory).iterdir()}
        if "broken" in files:
            raise server.LoadError("nothing in it\nat all")
        if "crash" in files:
            sys.stderr.write("about to crash\n")
            sys.stderr.flush()
            os.abort()  # at once, in this thread
        tensor = rules.Tensor("x:0", "float32", [None])
        self.signatures = {"serving_default": rules.Signature({"x": tensor}, {"y": tensor})}
        self.threads = threads

    def run(self, _signature: Any, batch: dict[str, Any]) -> dict[str, Any]:
        for value in batch["x"]:
            if value == "die":
                os._exit(7)
            if value == "hang":
                threading.Event().wait()
        return {"y": [value * 2 for value in batch["x"]]}


server.Model = Toy
sys.argv[1:] = sys.argv[2:]
server.main()
