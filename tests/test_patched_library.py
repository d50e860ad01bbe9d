import asyncio
import os
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from emulator.commands import run
from emulator.errors import OperatorError
from emulator.gateway.authority import Authority
from emulator.package_index import PackageIndex
from emulator.patched_library import _CONSTANT, _LIBRARY, add_authorities, patched_for_bundle
from emulator.runtimes import Runtime, Runtimes

NOW = datetime.now(UTC)
ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def runtime_in(folder: Path, library: bytes | None) -> Runtime:
    """A folder laid out as an environment is; only the library's bytes matter here."""
    env = folder / "runtimes" / "abc"
    (env / "bin").mkdir(parents=True)
    (env / "bin" / "tool").write_text(f"#!{env}/bin/python\nprint()\n")
    (env / "bin" / "tool").chmod(0o755)
    (env / "bin" / "python").symlink_to("/usr/bin/env")
    (env / "data").write_text("shared")
    runtime = Runtime("1.15", "3.7", "3.7.16", "1.15.5", "abc", str(env), ())
    if library is not None:
        path = env / runtime.library / _LIBRARY
        path.parent.mkdir(parents=True)
        path.write_bytes(library)
    return runtime


def authority(folder: Path) -> Authority:
    return Authority.open(folder, NOW)


def pem(folder: Path) -> str:
    return (authority(folder).folder / "ca.pem").read_text()


async def patch(runtime: Runtime, tmp_path: Path, trust: Path) -> Runtime:
    bundle = authority(tmp_path / "authority").folder / "bundle.pem"
    return await patched_for_bundle(runtime, bundle, trust=trust)


@pytest.fixture
def trust() -> Iterator[Path]:
    path = Path(f"/tmp/cmle-t{os.getpid()}.crt")  # noqa: S108 - the path must be short
    yield path
    path.unlink(missing_ok=True)


def test_library_names_the_trust_file(tmp_path: Path, trust: Path) -> None:
    before = b"\x7fELF" + _CONSTANT + b"\0more"
    runtime = runtime_in(tmp_path, before)
    patched = asyncio.run(patch(runtime, tmp_path, trust))
    padded = str(trust).encode().ljust(len(_CONSTANT), b"\0")
    changed = Path(patched.env_dir, patched.library, _LIBRARY).read_bytes()
    assert changed == b"\x7fELF" + padded + b"\0more"
    assert Path(runtime.env_dir, runtime.library, _LIBRARY).read_bytes() == before


def test_copy_shares_files_and_leads_scripts(tmp_path: Path, trust: Path) -> None:
    runtime = runtime_in(tmp_path, _CONSTANT)
    patched = asyncio.run(patch(runtime, tmp_path, trust))
    assert Path(patched.env_dir, "data").samefile(Path(runtime.env_dir, "data"))
    tool = Path(patched.env_dir, "bin", "tool")
    assert tool.read_text().startswith(f"#!{patched.env_dir}/bin/python\n")
    assert os.access(tool, os.X_OK)
    assert runtime.env_dir in Path(runtime.env_dir, "bin", "tool").read_text()


def test_second_copy_is_the_first(tmp_path: Path, trust: Path) -> None:
    runtime = runtime_in(tmp_path, _CONSTANT)
    first = asyncio.run(patch(runtime, tmp_path, trust))
    born = Path(first.env_dir).stat().st_ctime_ns
    assert asyncio.run(patch(runtime, tmp_path, trust)) == first
    assert Path(first.env_dir).stat().st_ctime_ns == born


def test_newer_tensorflow_needs_no_copy(tmp_path: Path) -> None:
    runtime = runtime_in(tmp_path, None)
    assert asyncio.run(patch(runtime, tmp_path, tmp_path / "t.crt")) == runtime


def test_long_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="34 bytes"):
        asyncio.run(patch(runtime_in(tmp_path, _CONSTANT), tmp_path, tmp_path / ("x" * 30)))


def test_unknown_build_is_refused(tmp_path: Path, trust: Path) -> None:
    with pytest.raises(OperatorError, match="exactly once"):
        asyncio.run(patch(runtime_in(tmp_path, _CONSTANT * 2), tmp_path, trust))
    assert [path.name for path in (tmp_path / "runtimes").iterdir() if path.is_dir()] == ["abc"]


def test_authorities_of_two_emulators_are_kept(tmp_path: Path) -> None:
    trust = tmp_path / "trust.crt"
    first, second = pem(tmp_path / "a"), pem(tmp_path / "b")
    add_authorities(trust, first)
    add_authorities(trust, second)
    add_authorities(trust, second)
    assert trust.read_text() == second + first


def test_expired_authorities_are_dropped(tmp_path: Path) -> None:
    trust = tmp_path / "trust.crt"
    old = Authority.open(tmp_path / "old", NOW - timedelta(days=400)).folder / "ca.pem"
    assert x509.load_pem_x509_certificate(old.read_bytes()).not_valid_after_utc < NOW
    add_authorities(trust, old.read_text())
    add_authorities(trust, pem(tmp_path / "a"))
    assert trust.read_text() == pem(tmp_path / "a")


def test_link_in_the_trust_file_s_place_is_replaced(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    trust = tmp_path / "trust.crt"
    trust.symlink_to(victim)
    add_authorities(trust, pem(tmp_path / "a"))
    assert victim.read_text() == "mine"
    assert not trust.is_symlink()


def test_unwritable_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be written"):
        add_authorities(tmp_path / "missing" / "trust.crt", pem(tmp_path / "a"))


@contextmanager
def storage(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """A proxy that ends TLS for every host and answers 404; its port and what it was asked."""
    made = authority(folder).issue(["www.googleapis.com", "storage.googleapis.com"], [], NOW)
    (folder / "leaf.pem").write_bytes(made)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "leaf.pem")
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            await writer.start_tls(context)
            asked.append((await reader.readline()).decode())
            writer.write(ANSWER)
            await writer.drain()
        except ssl.SSLError as error:
            asked.append(str(error))
        finally:
            writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()


PROGRAM = "import tensorflow as tf; print(tf.io.gfile.exists('gs://b/o'))"


@pytest.mark.tensorflow
@pytest.mark.timeout(900)
def test_tensorflow_1_15_trusts_every_authority_of_the_user(tmp_path: Path, trust: Path) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "cmle"
    runtimes = Runtimes(cache, index=PackageIndex.of_user(os.environ), environment=os.environ)
    try:
        runtime = asyncio.run(runtimes.ensure("1.15", "3.7"))
    except OperatorError as error:
        if "needs Python 3.7" not in str(error):
            raise
        pytest.skip("no Python 3.7 can be had on this machine")
    own = Path(runtime.env_dir)
    here = tmp_path / "runtimes" / own.name
    here.parent.mkdir()
    here.symlink_to(own)  # the copy then lies beside the link, in the test's own folder
    runtime = Runtime(**{**_fields(runtime), "env_dir": str(here)})
    first, second = tmp_path / "first", tmp_path / "second"
    patched = runtime
    for folder in (first, second):
        bundle = authority(folder).folder / "bundle.pem"
        patched = asyncio.run(patched_for_bundle(runtime, bundle, trust=trust))
    for folder in (first, second):
        with storage(folder) as (port, asked):
            env = {"https_proxy": f"127.0.0.1:{port}", "GOOGLE_AUTH_TOKEN_FOR_TESTING": "t"}
            argv = [patched.python, "-c", PROGRAM]
            outcome = asyncio.run(run(argv, env=env, cwd=tmp_path))
        assert (outcome.status, outcome.tail[-1]) == (0, "False"), outcome.text
        assert any("/storage/v1/b/b/o/o" in line for line in asked)
    shutil.rmtree(here.parent)  # 245 MB that pytest would keep


def _fields(runtime: Runtime) -> dict[str, Any]:
    return {name: getattr(runtime, name) for name in runtime.__struct_fields__}
