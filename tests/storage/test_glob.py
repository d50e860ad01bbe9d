import pytest

from emulator.storage.glob import compiled, literal_prefix


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("a*c", ["ac", "abc"], ["a/c", "abcd"]),
        ("a**c", ["ac", "a/b/c"], ["a/b/d"]),
        ("a?c", ["abc", "a.c"], ["ac", "a/c"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "-x"]),
        ("[!a-c]x", ["dx"], ["ax", "/x"]),
        ("[]x]", ["]", "x"], ["["]),
        ("[&&~|]", ["&", "~", "|"], ["a"]),
        ("{a,b/{c,d}}.txt", ["a.txt", "b/c.txt", "b/d.txt"], ["b.txt", "c.txt"]),
        ("a,b", ["a,b"], ["a", "b"]),
        (r"a\*\{", ["a*{"], ["ab{", "a"]),
        ("a.c+", ["a.c+"], ["abc", "a.cc"]),
        ("a\nb*", ["a\nb\n"], ["ab"]),
    ],
)
def test_patterns(pattern: str, matches: list[str], others: list[str]) -> None:
    regex = compiled(pattern)

    assert all(regex.fullmatch(name) for name in matches)
    assert not any(regex.fullmatch(name) for name in others)


@pytest.mark.parametrize("pattern", ["{a", "a}", "[z-a]"])
def test_patterns_without_sense(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"brace|range"):
        compiled(pattern)


def test_what_every_match_begins_with() -> None:
    assert literal_prefix("a/b*c") == "a/b"
    assert literal_prefix("a{b,c}") == "a"
    assert literal_prefix("plain") == "plain"
