"""The reference of rules, made from the rules."""

from typing import Final

from emulator import reports
from emulator.checks.rules import every

_HEAD: Final = """\
# What `cmle check` looks for

Made from the rules themselves by `make docs`; do not edit.

```text
cmle check PACKAGE_OR_DIR [--config job.yaml] [--format FORMAT] [--report FORMAT=FILE] [-- ARGS]
cmle check PACKAGE_OR_DIR --run [--data LOCAL=gs://…] [--instances FILE] [--golden FILE] [-- ARGS]
```

The package is built as gcloud does, installed as the service does into the runtime's cached
environment, and imported there; its argument parser is asked with the arguments that the job
would pass. All of that happens in a sandbox without a network (pip reaches the package index
alone), with deadlines; nothing is trained. Then every rule looks at what was found out.

With `--run`, where that finds no error, the job is run for a few steps, too: by an emulator of
its own that leaves nothing, with the replicas and the memory of its tier. What it exported is
judged by the rules of `cmle check-model`, deployed, and asked for predictions.

FORMAT is text, json, junit, sarif, github (annotations) or markdown (a job summary).

Each finding says where, what the service would have said, and what to do. Texts of the
service are marked as a guess unless they were seen literally in a public report. The report
ends with what was not checked. An unchanged package is answered from the cache.

| exit code | meaning |
| --- | --- |
| 0 | no errors (and, with `--strict`, no warnings) |
| 1 | errors, or the check itself could not be made |
| 2 | the command line is wrong |
| 3 | warnings, with `--strict` |
| 130 | interrupted |

A comment on the line, or alone on the line before, silences a rule there; without a reason it
does nothing: `# cmle: ignore[developer-path] only used at home`. `--ignore RULE` leaves a rule
out altogether.

Without namespaces on the machine the module is not imported unless `--isolation none` says so:
setup.py and pip then run as they would for gcloud and pip, with nothing around them.

## A run

- **Data.** Cloud Storage is empty at the beginning, but for `--data LOCAL=gs://bucket/path` (a file
  or a folder) and `--data-from 'COMMAND {}=gs://bucket/path'`: the command writes into the folder
  that `{}` stands for.
- **Steps.** Flags of the package's parser that say how long to train (`--train-steps`,
  `--max-steps`, `--num-epochs` and the like) are set to 10 steps or 1 epoch, and the report says
  so. What stands after `--` stays as it is. Of a job that tunes hyperparameters one trial is run.
- **Predictions.** `--instances FILE` has a JSON instance a line (of a `.json` file: a list);
  without it two are made up of the signature, and if the model refuses those, the report says
  that nothing was asked. Each is asked alone and all together, as by `cmle check-model`.
- **Comparison.** `--golden FILE` holds instances and the predictions that must come again
  (`--update-golden` writes it). Where training recorded predictions below --job-dir, in a
  `.jsonl` file of `{"instance": …, "prediction": …}`, the version is asked for the same rows.
- **The end.** After `--run-deadline` seconds (300), counted from the module's start, the job is
  ended, and that is a finding.
- **Other frameworks.** Models of scikit-learn, XGBoost and PyTorch are not served: their files
  are looked at, and the report says so.

A run is never answered from the cache.

## Rules
"""


def text() -> str:
    """The whole page."""
    return f"{_HEAD}\n{reports.reference(every())}"
