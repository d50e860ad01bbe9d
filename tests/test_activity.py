from emulator.activity import Activity


def test_lines_and_cpu_seconds_are_activity() -> None:
    activity = Activity()
    for label in ("prints", "works", "waits"):
        activity.begin(label, 0.0)
    activity.used({"works": 1.0, "waits": 1.0}, 0.0)
    activity.used({"works": 3.0, "waits": 1.01}, 10.0)
    activity.begin("prints", 9.0)

    assert activity.quiet_s("works", 10.0) == 0.0
    assert activity.quiet_s("waits", 10.0) == 10.0
    assert activity.quiet_s("prints", 12.0) == 3.0
    assert activity.quiet_s("unheard of", 12.0) == 0.0


def test_a_new_life_counts_from_nothing() -> None:
    activity = Activity()
    activity.used({"a": 100.0}, 0.0)
    activity.used({"a": 0.0}, 50.0)
    assert activity.quiet_s("a", 51.0) == 1.0
