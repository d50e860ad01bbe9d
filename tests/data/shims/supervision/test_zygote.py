"""A replica forked from one that has imported is, to its module, one that Python started."""

import asyncio
import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from emulator.cluster import Bind, Exit, Line, Replica, SiteSpec
from emulator.runners.interpreter import see_interpreter
from emulator.runtimes import Runtime
from emulator.shipped import CAPTURE
from tests.runners.conftest import Bench, bench, data_dir, sandboxed

__all__ = ["bench", "data_dir", "sandboxed"]  # fixtures

HOSTS = ("master", "worker", "ps")
FACTS = """
    import atexit, json, logging, os, random, signal, sys
    before = sorted(set(sys.modules) & {"kernel", "minder", "root", "sandbox", "zygote"})
    facts = {
        "argv": sys.argv, "name": __name__, "file": __file__, "spec": __spec__.name,
        "path": sys.path, "flags": list(sys.flags), "executable": sys.executable,
        "cwd": os.getcwd(), "umask": os.umask(0o22),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "environment": {name: value for name, value in sorted(os.environ.items())
                        if name not in ("CMLE_LOG_INODE", "TMPDIR")},
        "signals": [str(signal.getsignal(getattr(signal, "SIG" + name)))
                    for name in ("INT", "TERM", "PIPE", "CHLD", "HUP", "XFSZ")],
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "handlers": [type(handler).__module__ for handler in logging.getLogger().handlers],
        "level": logging.getLogger().level, "session": os.getsid(0) == os.getpid(),
        "parent": os.getppid() > 0, "strangers": before,
        "hook": sys.excepthook.__module__, "own": open("/proc/self/environ", "rb").read(1) != b"",
        "orig_argv": getattr(sys, "orig_argv", None), "encoding": sys.stdout.encoding,
        "powers": [row for row in open("/proc/self/status") if row.startswith(("Cap", "NoNew"))],
    }
    print(json.dumps(facts))
    logging.info("recorded")
    sys.stderr.write("said\\n")
    print("random", random.random())
    print("preloaded", "PRELOADED" in sys.modules)
    atexit.register(print, "bye")
"""


def package(folder: Path, code: str) -> Path:
    (folder / "trainer").mkdir(parents=True)
    (folder / "trainer" / "__init__.py").touch()
    (folder / "trainer" / "task.py").write_text(textwrap.dedent(code))
    return folder


class Forked:
    """Runs a module in each of three replicas, forked or not."""

    def __init__(self, bench: Bench, code: str, python: str = sys.executable) -> None:
        self.bench = bench
        self.python = python
        self.package = package(bench.data_dir / "package", code)

    def replica(self, host: str, preload: tuple[str, ...], env: Mapping[str, str]) -> Replica:
        inside = "/root/.local/packages"
        isolated = self.bench.isolation == "namespaces"
        replica = Replica(
            name=host,
            task=host,
            argv=(self.python, "-m", "trainer.task", "--job-dir", "x y"),
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(CAPTURE),
                "PYTHONUNBUFFERED": "1",
                "CMLE_SITE_PACKAGES": inside if isolated else str(self.package),
                "TF_CONFIG": host,
                **env,
            },
            binds=(Bind(str(CAPTURE), str(CAPTURE)), Bind(str(self.package), inside)),
            isolation=self.bench.isolation,
            hostname=host,
            preload=preload,
        )
        return see_interpreter(replica)

    def run(
        self,
        site_id: str,
        preload: tuple[str, ...],
        env: Mapping[str, str] = MappingProxyType({}),
        hosts: tuple[str, ...] = HOSTS,
    ) -> list[tuple[list[Line], Exit]]:
        runner = self.bench.runner

        async def work() -> list[tuple[list[Line], Exit]]:
            site = await runner.open(SiteSpec(site_id, 30.0, hosts, self.bench.isolation))
            replicas = (self.replica(host, preload, env) for host in hosts)
            refs = await asyncio.gather(*map(site.start, replicas))
            found = [(await self.bench.lines(ref), await runner.wait(ref)) for ref in refs]
            await runner.close(site_id)
            return found

        return self.bench.run(work())

    def said(self, site_id: str) -> str:
        return (self.bench.runner.folder(site_id) / "supervisor.log").read_text()


def outputs(lines: list[Line]) -> dict[str, list[str]]:
    return {
        stream: [line.text for line in lines if line.stream == stream]
        for stream in ("stdout", "stderr", "log")
    }


def without_place(facts: dict[str, Any], site_id: str) -> dict[str, Any]:
    """What differs between any two sites left out."""
    text = json.dumps(facts).replace(f"/sites/{site_id}/", "/sites/SITE/")
    found: dict[str, Any] = json.loads(text)
    return found


def test_is_as_if_python_had_started_it(bench: Bench) -> None:
    forked = Forked(bench, FACTS.replace("PRELOADED", "wave"))
    plain = forked.run("plain", ())
    warm = forked.run("warm", ("wave", "logging.handlers"))
    for (cold_lines, cold_end), (warm_lines, warm_end) in zip(plain, warm, strict=True):
        cold, hot = outputs(cold_lines), outputs(warm_lines)
        assert without_place(json.loads(hot["stdout"][0]), "warm") == without_place(
            json.loads(cold["stdout"][0]), "plain"
        )
        assert hot["stdout"][2:] == ["preloaded True", "bye"]
        assert cold["stdout"][2:] == ["preloaded False", "bye"]
        assert (hot["stderr"], hot["log"]) == (["said"], ["recorded"])
        assert (cold["stderr"], cold["log"]) == (["said"], ["recorded"])
        assert (warm_end.reason, warm_end.code) == (cold_end.reason, cold_end.code)
    assert len({outputs(lines)["stdout"][1] for lines, _ in warm}) == len(HOSTS), "seeds"
    assert forked.said("warm") == ""


SPAWN = """
import multiprocessing
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=print, args=("spawned",))
    process.start()
    process.join()
"""
POOL = """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1]))
"""


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    raise ValueError('ä')\nf()",
        "import sys; sys.exit('words')",
        "import sys; sys.exit(9)",
        "import os; os._exit(4)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import threading, time; threading.Thread(target=lambda: print(time.sleep(.1))).start()",
        SPAWN,
        POOL,
        "import nothing_of_that_name",
        "1 +",
    ],
)
def test_ends_as_it_would(sandboxed: Bench, code: str) -> None:
    forked = Forked(sandboxed, code)
    (cold_lines, cold), *_ = forked.run("plain", ())
    (warm_lines, warm), *_ = forked.run("warm", ("wave",))
    assert outputs(warm_lines) == outputs(cold_lines)
    assert (warm.code, warm.signal, warm.traceback) == (cold.code, cold.signal, cold.traceback)
    assert forked.said("warm") == ""


WHETHER = "import sys; print('wave' in sys.modules)"


@pytest.mark.parametrize(
    ("preload", "env", "words"),
    [
        (("no_such_module",), {}, "No replica is forked from one with no_such_module imported"),
        (("wave",), {"CMLE_TPU_STUB": "1"}, "a stub takes part"),
    ],
)
def test_imports_by_itself_where_it_must(
    sandboxed: Bench, preload: tuple[str, ...], env: dict[str, str], words: str
) -> None:
    forked = Forked(sandboxed, WHETHER)
    found = forked.run("site", preload, env)
    assert [outputs(lines)["stdout"] for lines, _ in found] == [["False"]] * 3
    assert words in forked.said("site")


def test_two_replicas_are_too_few(sandboxed: Bench) -> None:
    found = Forked(sandboxed, WHETHER).run("site", ("wave",), hosts=HOSTS[:2])
    assert [outputs(lines)["stdout"] for lines, _ in found] == [["False"]] * 2


def test_a_job_that_brings_an_imported_module_starts_by_itself(sandboxed: Bench) -> None:
    forked = Forked(sandboxed, WHETHER)
    (forked.package / "wave.py").touch()
    found = forked.run("site", ("wave",))
    assert [outputs(lines)["stdout"] for lines, _ in found] == [["False"]] * 3


@pytest.mark.tensorflow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["1.15", "2.11"])
def test_replicas_find_tensorflow_imported(
    bench: Bench, made_runtime: Callable[[str], Runtime], version: str
) -> None:
    code = """
        import sys
        print("tensorflow" in sys.modules)
        import tensorflow as tf
        x = tf.random.uniform([4])
        if not hasattr(x, "numpy"):
            x = tf.compat.v1.Session().run(x)
        print(list(map(float, x)))
    """
    runtime = made_runtime(version)
    forked = Forked(bench, code, runtime.python)
    found = [outputs(lines)["stdout"] for lines, _ in forked.run("site", ("tensorflow",))]
    assert [first for first, _ in found] == ["True"] * 3, forked.said("site")
    assert len({second for _, second in found}) == 3, "seeds"
