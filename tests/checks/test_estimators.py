"""Which packages train and evaluate an Estimator by the roles that the service gives."""

import pytest

from emulator.checks import sources
from emulator.checks.estimators import trained_and_evaluated
from emulator.checks.evidence import Evidence, Installation, Request, RuntimeFacts
from emulator.resources import TrainingInput

CALLS = "tf.estimator.train_and_evaluate(estimator, train, evaluation)\n"


def lines(text: str) -> list[int]:
    source = sources.parse("trainer/task.py", "trainer/task.py", text, (3, 7))
    evidence = Evidence(
        root="",
        package="trainer",
        request=Request(training=TrainingInput()),
        runtime=RuntimeFacts("2.11", (3, 7), "2.11.0"),
        sources=(source,),
        installation=Installation(done=True, files=frozenset({"trainer/task.py"})),
    )
    return [call.lineno for _, call in trained_and_evaluated(evidence)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"import tensorflow as tf\n{CALLS}", [2]),
        (f"from tensorflow import estimator as tf_e\ntf_e.train_and_evaluate()\n{CALLS}", [2, 3]),
        ("from tensorflow.estimator import train_and_evaluate\ntrain_and_evaluate()\n", [2]),
        ("from trainer.model import train_and_evaluate\ntrain_and_evaluate()\n", []),
        (f"import os\nprint(os.environ['TF_CONFIG'])\n{CALLS}", [3]),
        (f"import os\nos.environ['TF_CONFIG'] = '{{}}'\n{CALLS}", []),
        (f"import os\ndel os.environ['TF_CONFIG']\n{CALLS}", []),
        (f"from os import environ\nenviron.pop('TF_CONFIG', None)\n{CALLS}", []),
        (f"import os\nos.environ['OTHER'] = ''\n{CALLS}", [3]),
        (f"import os\nos.environ.pop('OTHER', None)\n{CALLS}", [3]),
    ],
)
def test_calls_are_found_unless_the_roles_are_written_anew(text: str, found: list[int]) -> None:
    assert lines(text) == found
