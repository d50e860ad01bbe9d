"""Training steps, as trainers print them: Estimator's, Keras's and hand-written lines."""

import re
from typing import Final

_NAMED: Final = re.compile(r"\b(?:global[_ ]?)?step\b\s*[=:]?\s*(\d+)(?!\d|\.\d)", re.IGNORECASE)
_SAVED: Final = re.compile(r"\bSaving checkpoints for (\d+) into ")
_EPOCH: Final = re.compile(r"^Epoch (\d+)/\d+")
_PROGRESS: Final = re.compile(r"^ *(\d+)/(\d+|Unknown) (?:\[|- )")
_REWRITTEN: Final = re.compile(r"[\r\b]+")  # how a progress bar goes back


class Steps:
    """Reads the lines of one life of a replica.

    Keras counts batches within an epoch: they are added up over the epochs that it has named.
    """

    def __init__(self) -> None:
        self._before = 0  # this epoch
        self._last = 0  # in this epoch

    def read(self, line: str) -> int | None:
        """The step that a line tells, if it tells one: of several the last."""
        found = None
        for text in _REWRITTEN.split(line):
            step = self._of(text)
            found = found if step is None else step
        return found

    def _of(self, text: str) -> int | None:
        if _EPOCH.match(text):
            self._before += self._last
            self._last = 0
            return None
        if progress := _PROGRESS.match(text):
            self._last = int(progress[1])
            return self._before + self._last
        named = _NAMED.search(text) or _SAVED.search(text)
        return int(named[1]) if named else None
