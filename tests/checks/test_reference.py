from emulator.checks.reference import text
from emulator.checks.rules import every
from emulator.shipped import PACKAGE


def test_page_is_current() -> None:
    page = PACKAGE.parent / "docs" / "checks.md"
    assert page.read_text() == text(), "run: python -m emulator.checks.reference > docs/checks.md"


def test_every_rule_is_documented() -> None:
    for rule in every():
        assert rule.summary.endswith(".")
        assert f"### {rule.name}\n" in text()
