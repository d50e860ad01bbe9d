"""Programs inside a runtime's environment, told line by line what to do."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from benchmarks.measuring import ROOT, Options
from emulator.errors import OperatorError
from emulator.package_index import PackageIndex
from emulator.runtimes import Runtime, Runtimes
from emulator.server import default_cache_dir


class Worker:
    """One program of ``benchmarks.in_runtime``, kept running between measurements."""

    def __init__(self, process: "subprocess.Popen[bytes]", messages: Path) -> None:
        self._process = process
        self._messages = messages

    @classmethod
    @contextlib.contextmanager
    def started(
        cls,
        module: str,
        runtime: Runtime,
        folder: Path,
        *,
        env: Mapping[str, str],
        before: Sequence[str] = (),
    ) -> Iterator[Self]:
        """``before``: a command line that runs the rest of its arguments."""
        plain = {"PATH": os.environ["PATH"], "HOME": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
        messages = folder / "stderr.txt"
        with (
            messages.open("wb") as stderr,
            subprocess.Popen(
                [*before, runtime.python, "-m", f"benchmarks.in_runtime.{module}"],
                cwd=ROOT,
                env={**plain, **runtime.variables, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            ) as process,
        ):
            worker = cls(process, messages)
            try:
                worker._answer()
                yield worker
            finally:
                process.kill()

    def do(self, name: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is told below, with its reason
            self._process.stdin.write(msgspec.json.encode({"do": name, **arguments}) + b"\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            text = self._messages.read_text(errors="replace")[-2000:]
            raise OperatorError(f"The benchmark's program ended unasked:\n{text}")
        return msgspec.json.decode(line)


def runtime(version: str, options: Options) -> Runtime:
    """The runtime's environment, made now if it must be."""
    environment = dict(os.environ)
    runtimes = Runtimes(
        options.cache_dir or default_cache_dir(),
        index=PackageIndex.of_user(environment),
        environment=environment,
    )
    return asyncio.run(
        runtimes.ensure(version, "3.7", lambda step: options.say(f"{step.subject}: {step.text}"))
    )
