"""Lines and ends of containers that are gone, in the site's folder of the data directory."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from emulator.cluster import Exit, Line, Ref
from emulator.runners.tail import Tail


class Records:
    """Files below ``sites``: one folder a site, one a replica."""

    def __init__(self, sites: Path) -> None:
        self._sites = sites

    def folder(self, site_id: str) -> Path:
        return self._sites / site_id

    def keep(self, site_id: str, name: str, end: Exit, lines: Iterable[Line]) -> None:
        """Write both, the end last: with it the record is whole."""
        folder = self._replica(site_id, name)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        rows = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        (folder / "lines.jsonl").write_bytes(rows)
        fresh = folder / "exit.json.new"
        fresh.write_bytes(msgspec.json.encode(end))
        fresh.replace(folder / "exit.json")

    def end(self, ref: Ref) -> Exit | None:
        try:
            path = self._replica(ref.site_id, ref.name) / "exit.json"
            return msgspec.json.decode(path.read_bytes(), type=Exit)
        except (OSError, msgspec.DecodeError):
            return None

    def lines(self, ref: Ref, since: int) -> Iterator[Line]:
        tail = Tail(self._replica(ref.site_id, ref.name) / "lines.jsonl", since)
        try:
            yield from tail.read()
        finally:
            tail.close()

    def _replica(self, site_id: str, name: str) -> Path:
        return self.folder(site_id) / "replicas" / name
