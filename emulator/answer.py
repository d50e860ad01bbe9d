"""An answer of ``predict`` that remembers what was asked."""

from collections.abc import Mapping, Sequence
from typing import Any


class Answer(dict[str, Any]):
    """``{"predictions": […]}`` or ``{"error": "…"}``, as the service sent it.

    ``instances`` are what was asked, ``failing`` what the service said of those (by index)
    that it refuses alone, when it refused them together.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        instances: Sequence[Any] = (),
        failing: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(document)
        self.instances = list(instances)
        self.failing = dict(failing or {})
