from emulator.exports.reference import text
from emulator.exports.rules import every
from emulator.shipped import PACKAGE


def test_page_is_current() -> None:
    page = PACKAGE.parent / "docs" / "models.md"
    assert page.read_text() == text(), "run: python -m emulator.exports.reference > docs/models.md"


def test_every_rule_is_documented() -> None:
    for rule in every():
        assert rule.summary.endswith(".")
        assert f"### {rule.name}\n" in text()
