"""The reference of rules, made from the rules."""

from typing import Final

from emulator.checks.rules import every

_HEAD: Final = """\
# What `cmle check` looks for

Made from the rules themselves by `make docs`; do not edit.

```text
cmle check PACKAGE_OR_DIR [--config job.yaml] [--format FORMAT] [--report FORMAT=FILE] [-- ARGS]
```

The package is built as gcloud does, installed as the service does into the runtime's cached
environment, and imported there; its argument parser is asked with the arguments that the job
would pass. All of that happens in a sandbox without a network (pip reaches the package index
alone), with deadlines; nothing is trained. Then every rule looks at what was found out.

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

## Rules
"""


def text() -> str:
    """The whole page."""
    blocks = [_HEAD]
    for rule in every():
        body = f"\n\n{rule.explanation}" if rule.explanation else ""
        blocks.append(f"### {rule.name}\n\n*{rule.severity}.* {rule.summary}{body}\n")
    return "\n".join(blocks)
