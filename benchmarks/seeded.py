"""``cmle check`` of packages that break, that nearly do, and of trainers that are good.

The peer, asked with ``--gcloud`` only, for it takes minutes: `gcloud ai-platform local train`
of each bad package that does no harm outside of a sandbox, and how often it exits 0.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
import yaml

from benchmarks.measuring import Figure, Grid, Options, Row
from benchmarks.seeds import Seed, good_trainers, wheelhouse
from benchmarks.workers import runtime
from emulator.checks.check import check
from emulator.checks.choices import Choices
from emulator.errors import OperatorError
from emulator.findings import Report, Severity
from emulator.runtimes import Runtime
from emulator.server import default_cache_dir

AIM: Final = 60  # seeded packages
SIDE_BY_SIDE: Final = max(2, os.cpu_count() or 1)
PEER_S: Final = 180.0  # it imports TensorFlow before anything else
HARMFUL: Final = frozenset(  # in a process without a sandbox; archives are no folder to train
    {"archive-refused", "download-at-run-time", "import-hangs", "import-side-effects"}
)
HEADINGS: Final = ("rule", "seeded", "found", "near misses", "false errors", "local train exits 0")


class Judged(msgspec.Struct, frozen=True):
    """What the check said of a seed, None when it gave up, and gcloud: its exit status if asked."""

    seed: Seed
    report: Report | None
    peer: int | None = None

    @property
    def named(self) -> bool:
        findings = self.report.findings if self.report else ()
        return any(finding.rule == self.seed.rule for finding in findings)

    @property
    def false(self) -> bool:
        """A near miss that is taken for the real thing, or for any other error."""
        wrong = self.named or self.report is None or self.report.count(Severity.ERROR) > 0
        return not self.seed.is_bad and wrong


def figures(options: Options) -> Iterator[Figure | Grid]:
    made = {version: runtime(version, options) for version in ("1.15", "2.11")}
    seeds = [seed for seed in Seed.every() if not (options.quick and seed.is_variant)]
    with tempfile.TemporaryDirectory(prefix="cmle-bench-") as name:
        place = Path(name)
        wheels = wheelhouse(place / "wheels")
        cache_dir = options.cache_dir or default_cache_dir()
        gcloud = asked(options)

        def judge(seed: Seed) -> Judged:
            options.say(f"seeded: {seed.label}")
            copy = place / seed.rule / seed.folder.name
            report = None
            try:
                report = check(seed.choices(copy, cache_dir=cache_dir, wheels=wheels))
            except OperatorError as error:
                options.say(f"seeded: {seed.label} was given up: {error}")
            shutil.rmtree(copy)
            return Judged(seed, report, peer(gcloud, made, seed, copy))

        def look(config: Path) -> tuple[str, Report]:
            label = f"{config.parent.name}/{config.name}"
            options.say(f"seeded: {label}")
            return label, good(config, place, cache_dir)

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            judged = list(pool.map(judge, seeds))
            fine = dict(pool.map(look, good_trainers()))
    yield Grid("Seeded packages under cmle check", HEADINGS, tuple(rows(judged)))
    yield summed(judged, fine, 0 if options.quick else AIM)


def rows(judged: Sequence[Judged]) -> Iterator[tuple[str, ...]]:
    for rule, group in groupby(judged, lambda it: it.seed.rule):
        yield (rule, *counted(list(group)))
    yield ("all", *counted(judged))


def counted(judged: Sequence[Judged]) -> tuple[str, ...]:
    bad = [it for it in judged if it.seed.is_bad]
    near = [it for it in judged if not it.seed.is_bad]
    exits = [it.peer for it in bad if it.peer is not None]
    return (
        str(len(bad)),
        str(sum(it.named for it in bad)),
        str(len(near)),
        str(sum(it.false for it in near)),
        f"{exits.count(0)} of {len(exits)}" if exits else "",
    )


def summed(judged: Sequence[Judged], fine: dict[str, Report], aim: int) -> Figure:
    bad = [it for it in judged if it.seed.is_bad]
    missed = [it.seed.label for it in bad if not it.named]
    false = [it.seed.label for it in judged if it.false]
    wrong = sorted(name for name, report in fine.items() if report.count(Severity.ERROR))
    return Figure(
        title="The whole of it",
        peer="",
        rows=(
            Row(
                what="seeded packages that were found" + names(missed, ", but not "),
                here=f"{len(bad) - len(missed)} of {len(bad)}",
                target=f"all of ≥ {aim}" if aim else "all",
                met=not missed and len(bad) >= aim,
            ),
            Row(
                what="near misses with errors" + names(false, ": "),
                here=f"{len(false)} of {len(judged) - len(bad)}",
                target="none",
                met=not false,
            ),
            Row(
                what="good trainers with errors" + names(wrong, ": "),
                here=f"{len(wrong)} of {len(fine)}",
                target="none",
                met=not wrong,
            ),
        ),
    )


def names(which: Sequence[str], before: str) -> str:
    return before + ", ".join(which) if which else ""


def good(config: Path, place: Path, cache_dir: Path) -> Report:
    """The verdict on a trainer with one of its jobs, in a copy below ``place``."""
    copy = Path(tempfile.mkdtemp(dir=place)) / config.parent.name
    shutil.copytree(config.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / config.name).write_text(config.read_text().replace("{bucket}", "bucket"))
    return check(
        Choices(
            subject=copy,
            config=copy / config.name,
            cache_dir=cache_dir,
            environment=dict(os.environ),
            use_cache=False,
        )
    )


def asked(options: Options) -> str:
    """The gcloud that is the peer; "" when nobody wants to wait for it."""
    if not options.gcloud:
        return ""
    if found := shutil.which("gcloud"):
        return found
    raise OperatorError("gcloud is not on this machine; leave --gcloud out.")


def peer(gcloud: str, made: dict[str, Runtime], seed: Seed, copy: Path) -> int | None:
    """The exit status of ``local train`` with the job's arguments, in a copy at ``copy``."""
    package = next(iter(sorted(seed.folder.glob("*/task.py"))), None)
    if not gcloud or not seed.is_bad or seed.rule in HARMFUL or package is None:
        return None
    shutil.copytree(seed.folder, copy)
    job = arguments(copy / "config.yaml")
    python = made.get(str(job.get("runtimeVersion")), made["2.11"]).python
    command = [gcloud, "ai-platform", "local", "train", "--job-dir", str(copy / "out")]
    command += ["--module-name", str(job.get("pythonModule") or f"{package.parent.name}.task")]
    command += ["--package-path", str(copy / package.parent.name)]
    given = job.get("args")
    if isinstance(given, list):
        command += ["--", *map(str, given)]
    variables = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(copy),
        "CLOUDSDK_CONFIG": str(copy / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_ML_ENGINE_LOCAL_PYTHON": python,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        done = subprocess.run(
            command, cwd=copy, env=variables, capture_output=True, check=False, timeout=PEER_S
        )
    except subprocess.TimeoutExpired:
        return None
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return done.returncode


def arguments(config: Path) -> dict[str, object]:
    """What the job asks for, as far as it can be read."""
    try:
        document = yaml.safe_load(config.read_text())
    except (OSError, yaml.YAMLError):
        return {}
    job = document.get("trainingInput") if isinstance(document, dict) else None
    return job if isinstance(job, dict) else {}
