import pytest

from emulator.checks.requirements import parse


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("numpy", "1.21.6", True),
        ("numpy>=1.20,<2", "1.21.6", True),
        ("numpy>=1.24", "1.21.6", False),
        ("numpy~=1.19", "1.21.6", True),
        ("numpy~=1.19.0", "1.21.6", False),
        ("tensorflow==2.11.*", "2.11.0", True),
        ("tensorflow!=2.11.*", "2.11.0", False),
        ("tensorflow==2.11", "2.11.0", True),
        ("tensorflow (>=2.4) ; python_version>'3'", "2.11.0", True),
        ("tensorflow[gpu]<2.11", "2.11.0", False),
        ("absent", "", False),
    ],
)
def test_versions(text: str, version: str, *, expected: bool) -> None:
    requirement = parse(text)
    assert requirement is not None
    assert requirement.allows(version) is expected


@pytest.mark.parametrize(
    "text", ["", "# only a comment", "-r other.txt", "--index-url x", "./x.whl"]
)
def test_what_is_no_requirement(text: str) -> None:
    assert parse(text) is None


def test_names_are_canonical() -> None:
    requirement = parse("Google_Cloud.Storage==1")
    assert requirement is not None
    assert requirement.name == "google-cloud-storage"
