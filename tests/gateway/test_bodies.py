import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.gateway.bodies import Body, Chunked, Sized
from emulator.gateway.heads import Malformed


def feed(body: Body, data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """Give data in the pieces that the cuts make; answer the body and what was not taken."""
    pieces: list[bytes] = []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        buffer = bytearray(b"before" + data[start:end] + b"after")
        stop = body.feed(buffer, 6, 6 + end - start, pieces) - 6
        if body.done:
            return b"".join(pieces), data[start + stop :]
        assert stop == end - start
    return b"".join(pieces), b""


def chunked(chunks: list[bytes], trailer: bytes = b"") -> bytes:
    framed = [b"%X;ext=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join(framed) + b"0\r\n" + trailer + b"\r\n"


@given(st.lists(st.binary(min_size=1)), st.lists(st.integers(0)), st.binary(max_size=40))
def test_chunks_come_out_whole_however_they_arrive(
    chunks: list[bytes], cuts: list[int], surplus: bytes
) -> None:
    body = Chunked()

    found, rest = feed(body, chunked(chunks, b"a: b\r\n") + surplus, cuts)

    assert body.done
    assert found == b"".join(chunks)
    assert rest == surplus


@given(st.binary(), st.lists(st.integers(0)), st.binary(max_size=40))
def test_sized_bodies_end_at_their_length(content: bytes, cuts: list[int], surplus: bytes) -> None:
    body = Sized(len(content))

    found, rest = feed(body, content + surplus, cuts) if content else (b"", surplus)

    assert body.done
    assert found == content
    assert rest == surplus


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"-1\r\n",
        b"5\nhello",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\n",
        b"0\r\n" + b"a: b\r\n" * 5000,
        b"1" * 5000,
        b"00000000000000001\r\n",
    ],
)
def test_malformed_chunks_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        feed(Chunked(), data, [])


@given(st.binary())
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    body = Chunked()
    try:
        found, _ = feed(body, data, [])
    except Malformed:
        return

    assert len(found) <= len(data)
