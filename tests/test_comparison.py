import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.comparison import Tolerance, differences, not_finite


@pytest.mark.parametrize(
    ("want", "have", "same"),
    [
        (1.0, 1.0009, True),
        (1.0, 1.01, False),
        (1000.0, 1000.9, True),
        (1, True, False),
        (True, True, True),
        (10**400, 10**400, True),
        (10**400, 1.0, False),
        ("a", "a", True),
        (None, 0, False),
        (math.nan, math.nan, False),
    ],
    ids=str,
)
def test_tolerance_is_for_numbers(want: Any, have: Any, same: bool) -> None:  # noqa: FBT001
    assert Tolerance().allows(want, have) is same


def test_differences_say_where() -> None:
    want = {"a": [1.0, {"b": 2.0}], "c": 1}
    have = {"a": [1.0, {"b": 3.0}], "d": 1}
    assert list(differences(want, have, "it", Tolerance())) == [
        "it['a'][1]['b']: expected 2.0, found 3.0",
        "it: expected the key 'c', found ['a', 'd']",
    ]


def test_every_spelling_of_no_number_is_found() -> None:
    rows = [{"a": [math.nan]}, "NaN", {"b": "-Infinity"}, 1.0, "text"]
    assert [where for where, _ in not_finite(rows)] == [
        "prediction 0['a'][0]",
        "prediction 1",
        "prediction 2['b']",
    ]


@given(st.recursive(st.none() | st.integers() | st.text() | st.booleans(), st.lists))
def test_a_value_differs_in_nothing_from_itself(value: Any) -> None:
    assert list(differences(value, value, "it", Tolerance(0.0, 0.0))) == []
