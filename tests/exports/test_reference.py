from emulator.exports.reference import text
from emulator.exports.rules import every


def test_every_rule_is_documented() -> None:
    for rule in every():
        assert rule.summary.endswith(".")
        assert f"### {rule.name}\n" in text()
