"""Where an export lies: a folder of this machine, or one of a bucket."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from emulator.errors import OperatorError

if TYPE_CHECKING:
    from emulator.client import Client

MOST: Final = 100_000  # files that are listed
_SCHEME: Final = "gs://"


class Folder(Protocol):
    """``place`` is its name; ``local`` brings the wanted files here and answers where they are."""

    place: str
    files: dict[str, int]

    def local(self, wanted: Callable[[str], bool]) -> Path: ...


class LocalFolder:
    """A folder of this machine. Links are followed to files, not to folders."""

    def __init__(self, path: Path, place: str = "") -> None:
        self.place = place or str(path)
        self._path = path
        if not path.is_dir():
            what = "is a file: name the folder that it is in" if path.exists() else "does not exist"
            raise OperatorError(f"The export {self.place} {what}.")
        try:
            self.files = _listed(path)
        except OSError as error:
            raise OperatorError(
                f"The export {self.place} cannot be listed: {error.strerror}."
            ) from error

    def local(self, wanted: Callable[[str], bool]) -> Path:
        del wanted  # they are here
        return self._path


class BucketFolder:
    """A gs:// folder of a running emulator; what is needed is copied below ``into``."""

    def __init__(self, client: "Client", uri: str, into: Path) -> None:
        self.place = uri.rstrip("/")
        self._client = client
        self._into = into.resolve()
        base = self.place + "/"
        bucket, _, prefix = base.removeprefix(_SCHEME).partition("/")
        if not bucket:
            raise OperatorError(f"{uri} names no bucket: gs://BUCKET/FOLDER is expected.")
        self.files = {
            str(entry["name"]).removeprefix(prefix): int(entry["size"])
            for entry in client.storage.objects(base)
            if not str(entry["name"]).endswith("/")
        }

    def local(self, wanted: Callable[[str], bool]) -> Path:
        for name in filter(wanted, self.files):
            path = (self._into / name).resolve()
            if not path.is_relative_to(self._into):
                raise OperatorError(f"The object name {name!r} leads out of its folder. Rename it.")
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._client.storage.download(f"{self.place}/{name}"))
        return self._into


def _listed(root: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for folder, _, names in os.walk(root, onerror=_raise):
        for name in names:
            path = f"{folder}/{name}"
            try:
                status = os.stat(path)  # noqa: PTH116 - strings: there may be many
            except OSError:  # a link to nothing, or gone meanwhile
                continue
            if stat.S_ISREG(status.st_mode):
                found[os.path.relpath(path, root)] = status.st_size
            if len(found) > MOST:
                raise OperatorError(f"{root} has more than {MOST} files: it is no export.")
    return dict(sorted(found.items()))


def _raise(error: OSError) -> None:
    raise error
