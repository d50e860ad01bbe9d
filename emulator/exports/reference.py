"""The reference of rules, made from the rules."""

from typing import Final

from emulator import reports
from emulator.exports.rules import every

_HEAD: Final = """\
# What `cmle check-model` looks for

Made from the rules themselves by `make docs`; do not edit.

<!-- not run: example -->
```sh
cmle check-model export/1574946000
cmle check-model gs://my-bucket/job/export --machine-type n1-standard-2 --format sarif
cmle check-model export/1574946000 --instances instances.json --latency-ms 50
cmle check-model export/1574946000 --instances instances.json --golden golden.json --update-golden
cmle check-model export/1574946000 --golden golden.json --recorded evaluation.jsonl --key id
```

An export is judged by its files alone: names and sizes, the SavedModel's protocol buffer, the
index of its variables, the opcodes of a pickle. Neither TensorFlow nor the pickle is loaded.
A folder named `gs://…` is one of the running emulator.

With `--instances`, `--golden` or `--recorded` a SavedModel is also served, as a deployed version
is: by the runtime version's own TensorFlow, in an isolated process. Each instance is asked alone
and all of them together, texts also as base64, and one instance that must be refused.
scikit-learn and XGBoost models are not served yet; the report says so.

Without `--runtime-version` a model of TensorFlow 1.x is judged for runtime version 1.15, every
other one for 2.11. Each finding has what the service would have said, marked as a guess unless it
was seen literally in a public report.

| exit code | meaning |
| --- | --- |
| 0 | no errors (and, with `--strict`, no warnings) |
| 1 | errors, or the check itself could not be made |
| 2 | the command line is wrong |
| 3 | warnings, with `--strict` |
| 130 | interrupted |

## In tests

```python
from emulator.assertions import (
    assert_golden,
    assert_latency,
    assert_no_skew,
    assert_predictions,
    assert_rows,
    assert_schema,
    assert_servable,
)
```

`assert_servable(folder)` raises what the rules below call an error, and answers the signature;
`assert_schema(answer, signature)` holds predictions against it, or against a JSON Schema.
`assert_golden(answer, file)` and the fixture `cmle_golden` compare with a file of reviewed
predictions that `pytest --update-golden` writes. `assert_rows(answer, instances, keys=["id"])`
finds lost rows and keys, `assert_latency(ask, 0.05)` slow answers, and
`assert_no_skew("evaluation.jsonl", predict)` asks the served model for the rows whose predictions
training recorded: a JSON object `{"instance": …, "prediction": …}` a line.

## Rules
"""


def text() -> str:
    """The whole page."""
    return f"{_HEAD}\n{reports.reference(every())}"
