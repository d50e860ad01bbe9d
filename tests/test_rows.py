from typing import Any

import pytest

from emulator.rows import lost


@pytest.mark.parametrize(
    ("instances", "predictions", "found"),
    [
        ([{"k": "a"}, {"k": "b"}], [{"k": "a"}, {"k": "b"}], []),
        ([{"k": "a"}], [{"k": ["a"]}], []),
        ([{"k": "a"}], [], ["1 instances have 0 predictions."]),
        ([{"k": "a"}], [{"y": 1}], ["Prediction 0 has None for k, its instance 'a'."]),
        ([{"x": 1}], [{"k": 1}], ["Instance 0 has no k."]),
        ([1.0], [1.0], ["Instance 0 has no k."]),
    ],
    ids=range(6),
)
def test_rows_keep_their_keys(
    instances: list[Any], predictions: list[Any], found: list[str]
) -> None:
    assert list(lost(instances, predictions, "k")) == found
