"""The loop of a program that is told by lines what to do and answers each with a line."""

import json
import os
import sys
from typing import Any, Callable, Dict  # noqa: UP035 - Python 3.7 runs this

Deed = Callable[..., Any]


def obey(deeds: Dict[str, Deed]) -> None:  # noqa: UP006 - Python 3.7 runs this
    """Do what each line says (``{"do": name, …arguments}``); answer one line of JSON each.

    Standard output belongs to the answers: what libraries print goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answers.write(json.dumps("ready") + "\n")
    for line in sys.stdin:
        arguments = json.loads(line)
        deed = deeds[arguments.pop("do")]
        answers.write(json.dumps(deed(**arguments)) + "\n")
