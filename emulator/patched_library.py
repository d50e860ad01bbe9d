"""TensorFlow 1.15 where namespaces are not allowed: a copy whose library names another CA file.

Its libcurl reads one constant path and no variable (storage reference §1). The copy shares
every other file with the runtime by hard links, and is made once per machine and user: the
file it names holds the authorities of all of the user's emulators.
"""

import asyncio
import hashlib
import mmap
import os
import re
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509

from emulator.errors import OperatorError
from emulator.folder_lock import exclusive
from emulator.runtimes import Runtime

_CONSTANT: Final = b"/etc/ssl/certs/ca-certificates.crt"
_LIBRARY: Final = "tensorflow_core/python/_pywrap_tensorflow_internal.so"
_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)


async def patched_for_bundle(
    runtime: Runtime, bundle: Path, *, trust: Path | None = None
) -> Runtime:
    """Answer a runtime that trusts ``bundle``; the same one if its library needs no patch.

    ``trust`` is the file that the library is made to read, at a path of at most 34 bytes.
    """
    library = Path(runtime.env_dir, runtime.library, _LIBRARY)
    if not library.is_file():
        return runtime
    trust = trust or Path(f"/var/tmp/cmle-{os.getuid()}.crt")  # noqa: S108 - a short path that lasts
    if len(os.fsencode(trust)) > len(_CONSTANT):
        raise OperatorError(
            f"The path {trust} is longer than the {len(_CONSTANT)} bytes that TensorFlow "
            f"{runtime.tensorflow} has for its certificate file. Choose a shorter one."
        )
    key = f"{runtime.key}-{hashlib.sha256(os.fsencode(trust)).hexdigest()[:8]}"
    target = Path(runtime.env_dir).with_name(key)
    async with exclusive(target.with_name(f"{key}.lock")):
        await asyncio.to_thread(add_authorities, trust, bundle.read_text())
        if not target.is_dir():
            await asyncio.to_thread(_copy, runtime, target, trust)
    return msgspec.structs.replace(runtime, key=key, env_dir=str(target))


def add_authorities(trust: Path, bundle: str) -> None:
    """Write the certificates of ``bundle``, and what ``trust`` held that is still valid."""
    known = dict.fromkeys(_CERTIFICATE.findall(bundle))
    for block in _CERTIFICATE.findall(_read_own(trust)):
        if block not in known and _is_valid(block):
            known[block] = None
    part = trust.with_name(f".{trust.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(handle, "w") as file:
            file.write("\n".join([*known, ""]))
        part.replace(trust)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OperatorError(
            f"The certificates for TensorFlow 1.15 cannot be written to {trust}: "
            f"{error.strerror}. Remove the file, or allow user namespaces (then it is not needed)."
        ) from error


def _read_own(trust: Path) -> str:
    """The file's text; nothing of a link or of another user's file in a shared folder."""
    try:
        handle = os.open(trust, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(handle) as file:
        return file.read() if os.fstat(handle).st_uid == os.getuid() else ""


def _is_valid(block: str) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(block.encode())
    except ValueError:
        return False
    return certificate.not_valid_after_utc > datetime.now(UTC)  # noqa: TID251 - the real validity


def _copy(runtime: Runtime, target: Path, trust: Path) -> None:
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        shutil.copytree(runtime.env_dir, part, symlinks=True, copy_function=_link)
        _patch(part / runtime.library / _LIBRARY, os.fsencode(trust))
        for script in (part / "bin").iterdir():
            _lead(script, runtime.env_dir, str(target))
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
    return target


def _own(path: Path) -> None:
    """Make a file of its own out of a hard link."""
    part = path.with_name(f".{path.name}.part")
    shutil.copy2(path, part)
    part.replace(path)


def _patch(library: Path, path: bytes) -> None:
    _own(library)
    with library.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        place = content.find(_CONSTANT)
        if place < 0 or content.find(_CONSTANT, place + 1) >= 0:
            raise OperatorError(
                f"{library.name} does not name {_CONSTANT.decode()} exactly once: this build of "
                "TensorFlow cannot be made to trust the emulator without namespaces."
            )
        content[place : place + len(_CONSTANT)] = path.ljust(len(_CONSTANT), b"\0")


def _lead(script: Path, old: str, new: str) -> None:
    """Let a program of the environment start the copy's Python."""
    if script.is_symlink() or not script.is_file():
        return
    content = script.read_bytes()
    if content.startswith(b"#!" + old.encode()):
        _own(script)
        script.write_bytes(content.replace(old.encode(), new.encode(), 1))
