from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.isolation import choose, explain, probe, probe_cluster


def test_says_why_there_is_no_better_level() -> None:
    level = probe()
    assert (level.isolation == "namespaces") == (level.reason == "")


def test_a_cluster_has_at_most_the_level_of_one_replica() -> None:
    assert choose("auto", cluster=True) == probe_cluster().isolation
    if probe().isolation == "none":
        assert probe_cluster() == probe()


def test_a_kernel_without_bridges_is_told_apart(tmp_path: Path) -> None:
    refusal = (
        "a network for 2 hosts cannot be made: [Errno 95] bridge site: Operation not supported"
    )
    assert "modules bridge and veth" in explain(refusal, tmp_path)


def test_none_is_always_to_be_had() -> None:
    assert choose("none") == "none"


def test_auto_takes_the_best() -> None:
    assert choose("auto") == probe().isolation


def test_require_refuses_less() -> None:
    if probe().isolation == "namespaces":
        assert choose("require") == "namespaces"
    else:
        with pytest.raises(OperatorError, match="--isolation none"):
            choose("require")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("kernel/unprivileged_userns_clone", "0", "ordinary users"),
        ("user/max_user_namespaces", "0", "max_user_namespaces=0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor"),
    ],
)
def test_names_the_switch_that_forbids(tmp_path: Path, name: str, value: str, words: str) -> None:
    switch = tmp_path / name
    switch.parent.mkdir()
    switch.write_text(value + "\n")
    assert words in explain("[Errno 1] Operation not permitted", tmp_path)


def test_a_switch_that_allows_is_not_blamed(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "max_user_namespaces").write_text("96365\n")
    assert "container" in explain("[Errno 1] Operation not permitted", tmp_path)
