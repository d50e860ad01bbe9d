"""The rules that close the machine; what they do is shown in test_escapes.py."""

from emulator.runners.docker.firewall import Opening, chain, closing, removal


def test_only_the_gateway_is_open() -> None:
    script = closing("0123456789ab", Opening("cm012345-aa", "10.213.0.1", 4000))
    rules = [line for line in script.splitlines() if " -A " in line]
    assert [rule.rpartition("-j ")[2] for rule in rules] == ["ACCEPT", "ACCEPT", "DROP"]
    assert "-i cm012345-aa -d 10.213.0.1 -p tcp --dport 4000 -j ACCEPT" in rules[1]
    assert "-I INPUT -i cm012345+ -j CMLE-012345" in script


def test_nothing_is_open_where_the_gateway_is_in_a_container() -> None:
    assert "--dport" not in closing("0123456789ab", None)


def test_what_is_made_is_removed() -> None:
    name = chain("0123456789ab")
    assert f"-X {name}" in removal("0123456789ab")
    assert "-D INPUT -i cm012345+" in removal("0123456789ab")
