"""fake-gcs-server from its project's release archives, checked by a pinned digest."""

import hashlib
import platform
import tarfile
import tomllib
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Final

import msgspec

from emulator.shipped import DATA

Progress = Callable[[str], None]

PROGRAM: Final = "fake-gcs-server"
_SILENCE_S: Final = 5.0  # a source that says nothing for so long is left
_CHUNK: Final = 1 << 20


class Unavailable(Exception):
    """This way of obtaining the program did not work; the text says why."""


class Archive(msgspec.Struct, frozen=True):
    url: str
    sha256: str


class Pinned(msgspec.Struct, frozen=True):
    """What ``data/fake_gcs_server.toml`` says; ``archives`` by "system-machine"."""

    version: str
    module: str
    go: str
    archives: dict[str, Archive]


def pinned() -> Pinned:
    document = tomllib.loads((DATA / "fake_gcs_server.toml").read_text())
    return msgspec.convert(document, Pinned)


def download(target: Path, pin: Pinned, progress: Progress) -> None:
    """Put the program at ``target``, a new file; raises Unavailable."""
    machine = f"{platform.system()}-{platform.machine()}"
    archive = pin.archives.get(machine)
    if archive is None:
        raise Unavailable(f"there is no release for {machine}")
    packed = target.with_suffix(".tar.gz")
    try:
        digest = _fetch(archive.url, packed, progress)
        if digest != archive.sha256:
            raise Unavailable(f"the archive's SHA-256 is {digest}, not the pinned one")
        _unpack(packed, target)
    except (OSError, HTTPException, tarfile.TarError) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error
    finally:
        packed.unlink(missing_ok=True)


def _fetch(url: str, packed: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    name = url.rpartition("/")[2]
    progress(f"fake-gcs-server: looking for {name}")
    with urllib.request.urlopen(url, timeout=_SILENCE_S) as answer, packed.open("xb") as file:  # noqa: S310 our own https URL
        length = int(answer.headers.get("content-length") or 0)
        done = 0
        while chunk := answer.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
            done += len(chunk)
            share = f"{done * 100 // length} %" if length else f"{done >> 20} MB"
            progress(f"fake-gcs-server: downloading {name}: {share}")
    return digest.hexdigest()


def _unpack(packed: Path, target: Path) -> None:
    with tarfile.open(packed) as archive:
        member = archive.extractfile(PROGRAM)
        if member is None:
            raise Unavailable(f"the archive holds no file {PROGRAM}")
        with member, target.open("xb") as file:
            while chunk := member.read(_CHUNK):
                file.write(chunk)
