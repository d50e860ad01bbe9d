"""``cmle check`` of a package, beside the bare import of its module in the same runtime."""

import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.check_model import cost
from benchmarks.measuring import Figure, Options, Row, median
from benchmarks.workers import runtime
from emulator import fixtures

MORE_TARGET_S: Final = 1.5
KNOWN_TARGET_S: Final = 0.5
CMLE: Final = Path(sys.executable).with_name("cmle")
TAXIFARE: Final = {"1.15": "taxifare/tf1", "2.11": "taxifare/tf2"}
IMPORT: Final = "import sys; sys.path.insert(0, sys.argv[1]); import trainer.task"


def figures(options: Options) -> Iterator[Figure]:
    for version in options.runtimes:
        yield figure(version, options)


def figure(version: str, options: Options) -> Figure:
    """Each round looks anew, then again at the same, then imports the module."""
    made = runtime(version, options)
    times = options.times(7, 3)
    anew, known, peer, more = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="cmle-bench-") as name:
        folder = Path(name) / "taxifare"
        shutil.copytree(fixtures(TAXIFARE[version]), folder)
        config = folder / "job.yaml"
        config.write_text(config.read_text().replace("{bucket}", "my-bucket"))
        look = [str(CMLE), "check", str(folder), "--config", str(config)]
        plain = [made.python, "-c", IMPORT, str(folder)]
        options.say(f"check: a first look, runtime {version}")
        cost(look)
        for number in range(times):
            options.say(f"check: round {number + 1}")
            fresh = secrets.token_hex(8)  # no installation of it is kept
            (folder / "trainer" / "round.py").write_text(f"ROUND = {fresh!r}\n")
            anew.append(cost(look).seconds)
            known.append(cost(look).seconds)
            peer.append(cost(plain).seconds)
            more.append(anew[-1] - peer[-1])
    here, again, other = median(anew), median(known), median(peer)
    difference = median(more)
    return Figure(
        title=f"check of the taxifare package, runtime {version}, median of {times}",
        peer="import of the module",
        rows=(
            Row(
                what="changed since the last look",
                here=f"{here:.2f} s",
                peer=f"{other:.2f} s",
                compared=f"{difference:+.2f} s",
                target=f"≤ +{MORE_TARGET_S} s",
                met=difference <= MORE_TARGET_S,
            ),
            Row(
                what="nothing changed",
                here=f"{again:.2f} s",
                peer=f"{other:.2f} s",
                compared=f"{again / other:.2f}x",
                target=f"≤ {KNOWN_TARGET_S} s",
                met=again <= KNOWN_TARGET_S,
            ),
        ),
    )
