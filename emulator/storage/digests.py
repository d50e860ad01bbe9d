"""Checksums of an object: MD5 and CRC32C, taken on the way or put together."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import google_crc32c

from emulator.storage.documents import crc32c_text, md5_text
from emulator.storage.refusals import invalid

_INLINE: Final = 64 << 10  # below this a thread costs more than it saves
_POLYNOMIAL: Final = 0x82F63B78  # CRC32C, reflected


class Digest:
    """Of all bytes so far."""

    def __init__(self) -> None:
        self.size = 0
        self.crc32c = 0
        self._md5 = hashlib.md5(usedforsecurity=False)

    async def update(self, *pieces: bytes) -> None:
        """Take the next bytes, beside the event loop if they are many."""
        if sum(map(len, pieces)) < _INLINE:
            self._update(pieces)
        else:
            await asyncio.to_thread(self._update, pieces)

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    def _update(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._md5.update(piece)
            self.crc32c = google_crc32c.extend(self.crc32c, piece)
            self.size += len(piece)

    def check(self, wanted: Mapping[str, str]) -> None:
        """Refuse if the client expected other content: ``md5`` and ``crc32c`` in base64."""
        found = {"md5": md5_text(self.md5), "crc32c": crc32c_text(self.crc32c)}
        texts = {"md5": "MD5 hash", "crc32c": "CRC32C"}
        for kind, value in wanted.items():
            if not _same(value, found[kind]):
                raise invalid(
                    f'Provided {texts[kind]} "{value}" doesn\'t match calculated {texts[kind]} '
                    f'"{found[kind]}".'
                )


def expected(headers: Mapping[str, str], document: Mapping[str, Any]) -> dict[str, str]:
    """The checksums that a client promises, in headers or in an object's metadata."""
    found = {}
    for pair in headers.get("x-goog-hash", "").split(","):
        kind, _, value = pair.strip().partition("=")
        if kind in {"md5", "crc32c"}:
            found[kind] = value
    if content_md5 := headers.get("content-md5"):
        found["md5"] = content_md5
    for kind, field in (("md5", "md5Hash"), ("crc32c", "crc32c")):
        if promised := document.get(field):
            found[kind] = str(promised)
    return found


def combined_crc32c(first: int, second: int, second_size: int) -> int:
    """The CRC32C of two contents laid end to end, from theirs alone."""
    factor = _power_of_x(8 * second_size)
    return _times(factor, first) ^ second


def _times(left: int, right: int) -> int:
    """The product of two reflected polynomials, modulo CRC32C's."""
    product = 0
    bit = 1 << 31
    while bit:
        if left & bit:
            product ^= right
        right = (right >> 1) ^ _POLYNOMIAL if right & 1 else right >> 1
        bit >>= 1
    return product


def _power_of_x(exponent: int) -> int:
    power, square = 1 << 31, 1 << 30  # x^0, x^1
    while exponent:
        if exponent & 1:
            power = _times(square, power)
        square = _times(square, square)
        exponent >>= 1
    return power


def _same(given: str, found: str) -> bool:
    try:
        return base64.b64decode(given + "==") == base64.b64decode(found)
    except ValueError:  # no base64
        return False
