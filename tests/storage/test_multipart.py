import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.storage.multipart import Multipart
from emulator.storage.refusals import Refusal

KIND = 'multipart/related; boundary="==b"'


async def cut(body: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    """The body in pieces of these sizes, over and over."""
    at = 0
    turn = 0
    while at < len(body):
        size = sizes[turn % len(sizes)]
        turn += 1
        yield body[at : at + size]
        at += size


def parts(body: bytes, kind: str = KIND, sizes: list[int] | None = None) -> list[tuple[str, bytes]]:
    async def read() -> list[tuple[str, bytes]]:
        multipart = Multipart(cut(body, sizes or [7]), kind)
        found = []
        while (headers := await multipart.next_part()) is not None:
            found.append((headers.get("content-type", ""), await multipart.read(1 << 20)))
        assert await multipart.next_part() is None
        return found

    return asyncio.run(read())


def written(contents: list[bytes], newline: bytes) -> bytes:
    body = b"a preamble" + newline
    for content in contents:
        body += newline.join([b"--==b", b"Content-Type: t/x", b"", content, b""])
    return body + b"--==b--" + newline + b"an epilogue"


CONTENTS = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"=", b"==", b"x"])).map(b"".join),
    ),
    min_size=1,
    max_size=4,
)


@given(
    contents=CONTENTS,
    newline=st.sampled_from([b"\r\n", b"\n"]),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_reads_what_was_written(contents: list[bytes], newline: bytes, sizes: list[int]) -> None:
    assert parts(written(contents, newline), sizes=sizes) == [("t/x", part) for part in contents]


@given(st.binary(max_size=80), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes, size: int) -> None:
    try:
        parts(b"--==b\r\n" + body, sizes=[size])
    except Refusal as refusal:
        assert refusal.status == 400  # noqa: PT017 the other outcome is good as well


def test_every_truncation_is_refused() -> None:
    whole = written([b"{}", b"content\r\n"], b"\r\n").removesuffix(b"\r\nan epilogue")

    for length in range(len(whole)):
        with pytest.raises(Refusal):
            parts(whole[:length])


def test_a_part_without_a_blank_line_of_its_own() -> None:
    assert parts(b"--==b\r\nContent-Type: t/x\r\n\r\n--==b--") == [("t/x", b"")]


def test_what_is_not_read_is_skipped() -> None:
    async def read() -> list[bytes]:
        multipart = Multipart(cut(written([b"one", b"two", b"three"], b"\r\n"), [5]), KIND)
        await multipart.next_part()
        await multipart.next_part()
        await multipart.next_part()
        return [await multipart.read(10)]

    assert asyncio.run(read()) == [b"three"]


def test_limits() -> None:
    async def read() -> None:
        multipart = Multipart(cut(written([b"x" * 100], b"\r\n"), [9]), KIND)
        await multipart.next_part()
        await multipart.read(50)

    with pytest.raises(Refusal, match="too large"):
        asyncio.run(read())
    with pytest.raises(Refusal, match="too long"):
        parts(b"--==b\r\nx: " + b"y" * 100_000, sizes=[5000])


@pytest.mark.parametrize("kind", ["", "text/plain; boundary=x", "multipart/related"])
def test_needs_a_boundary(kind: str) -> None:
    with pytest.raises(Refusal, match="boundary"):
        parts(b"", kind)
