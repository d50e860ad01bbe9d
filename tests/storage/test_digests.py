import asyncio
import base64
import hashlib

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.storage.digests import Digest, combined_crc32c, expected
from emulator.storage.refusals import Refusal


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_of_two_contents_make_that_of_both(first: bytes, second: bytes) -> None:
    combined = combined_crc32c(google_crc32c.value(first), google_crc32c.value(second), len(second))

    assert combined == google_crc32c.value(first + second)


def test_pieces_small_and_big() -> None:
    pieces = [b"a" * 10, b"b" * 200_000, b"", b"c"]
    digest = Digest()

    async def take() -> None:
        for piece in pieces:
            await digest.update(piece)
        await digest.update(*pieces)

    asyncio.run(take())
    whole = b"".join(pieces * 2)
    assert digest.size == len(whole)
    assert digest.md5 == hashlib.md5(whole, usedforsecurity=False).digest()
    assert digest.crc32c == google_crc32c.value(whole)


def test_promises_come_in_headers_and_in_metadata() -> None:
    headers = {"x-goog-hash": "crc32c=AAAAAA==, md5=BBB=", "content-md5": "CCC="}

    assert expected(headers, {}) == {"crc32c": "AAAAAA==", "md5": "CCC="}
    assert expected({}, {"md5Hash": "x", "crc32c": "y"}) == {"md5": "x", "crc32c": "y"}
    assert expected({}, {}) == {}


def test_a_broken_promise_is_refused() -> None:
    digest = Digest()
    asyncio.run(digest.update(b"hello"))
    right = base64.b64encode(digest.md5).decode()

    digest.check({"md5": right, "crc32c": "mnG7TA=="})
    digest.check({"md5": right.rstrip("=")})
    for wrong in ({"md5": "AAAA"}, {"crc32c": "AAAAAA=="}, {"md5": "no base64 é"}):
        with pytest.raises(Refusal, match="doesn't match calculated"):
            digest.check(wrong)
