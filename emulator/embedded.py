"""A running emulator as a context manager: a process of its own, ended with the block."""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, Self

from emulator.datadir import DataDir, Endpoint
from emulator.engine import Engine
from emulator.errors import OperatorError

DEFAULT_PROJECT: Final = "cmle-project"
START_S: Final = 300.0  # the first start may have to obtain fake-gcs-server
STOP_S: Final = 15.0
POLL_S: Final = 0.02
TAIL: Final = 4000


class Emulator(Engine):
    """``with Emulator() as emulator: …`` runs one on a free port, in a folder of its own.

    With ``data_dir`` the state stays when the block ends, without it everything is
    removed. ``options`` are further flags of ``cmle serve``, such as
    ``["--isolation", "require"]``. Nothing outlives this process: the emulator ends
    when the block does, or when this process is gone, however it went.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        *,
        port: int = 0,
        project: str = DEFAULT_PROJECT,
        options: Sequence[str] = (),
        start_s: float = START_S,
    ) -> None:
        self._temporary = data_dir is None
        super().__init__(Path(data_dir) if data_dir else Path(tempfile.mkdtemp(prefix="cmle-")))
        self._arguments = ["--data-dir", str(self.data_dir), "--port", str(port)]
        self._arguments += ["--project", project, *options]
        self._start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def output(self) -> str:
        """The end of what the emulator wrote to its terminal so far."""
        if self._output is None:
            return ""
        end = self._output.seek(0, 2)
        self._output.seek(max(0, end - TAIL))
        return self._output.read().decode(errors="replace").strip()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, by itself or by ``stop``."""
        return self._process is None or self._process.poll() is not None

    def start(self) -> None:
        """Start the process and wait until it answers; OperatorError with its words if not."""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        command = [sys.executable, "-P", "-m", "emulator", "serve", *self._arguments]
        self._process = subprocess.Popen(
            [*command, "--while-stdin-open"],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours: we stop it in order
        )
        try:
            self._endpoint = self._wait(self._process)
        except BaseException:
            self.stop()
            raise

    def _wait(self, process: subprocess.Popen[bytes]) -> Endpoint:
        deadline = time.monotonic() + self._start_s
        directory = DataDir(self.data_dir)
        while time.monotonic() < deadline:
            status = process.poll()
            endpoint = directory.last_endpoint()
            if endpoint is not None and endpoint.pid == process.pid:
                return endpoint  # even if it has ended since: it was ready
            if status is not None:
                raise OperatorError(
                    f"The emulator ended with status {status} before it was ready. "
                    f"It said:\n{self.output()}"
                )
            time.sleep(POLL_S)
        raise OperatorError(
            f"The emulator was not ready after {self._start_s:g} s. It said:\n{self.output()}"
        )

    def stop(self) -> None:
        """End the process in order, by force if it does not listen; then tidy up."""
        with contextlib.ExitStack() as closing:
            if self._temporary:
                closing.callback(shutil.rmtree, self.data_dir, ignore_errors=True)
            if self._output is not None:
                closing.callback(self._output.close)
            if self._process is not None:
                closing.callback(_end, self._process)
        self._process = self._output = self._endpoint = None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
