"""An answer is the service's document, and knows what was asked."""

import json

from emulator.answer import Answer


def test_answer_is_the_document() -> None:
    answer = Answer({"predictions": [1.0]}, ["a"])
    assert answer == {"predictions": [1.0]}
    assert json.dumps(answer) == '{"predictions": [1.0]}'
    assert answer.instances == ["a"]
    assert answer.failing == {}
