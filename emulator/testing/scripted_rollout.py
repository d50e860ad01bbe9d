"""Versions that come into service without a server."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from emulator.deployment import CREATE_FAILED
from emulator.names import components
from emulator.resources import Version
from emulator.rollout import RolloutFailed
from emulator.testing.agenda import Agenda


class ScriptedRollout:
    """Creation and deletion take ``operation_s``; ``errors`` say which creations fail."""

    def __init__(self, agenda: Agenda, errors: Mapping[str, str], operation_s: float) -> None:
        self._agenda = agenda
        self._errors = errors
        self._operation_s = operation_s

    async def check(self, version: Version) -> None:
        """Any deployment directory will do."""

    async def deploy(self, name: str, _version: Version) -> None:
        await self._agenda.wait_until(self._agenda.clock() + self._operation_s)
        ids = components(name)
        named = f"{ids['models']}/{ids['versions']}"
        for pattern, text in self._errors.items():
            if fnmatchcase(named, pattern):
                raise RolloutFailed(CREATE_FAILED + text.removeprefix(CREATE_FAILED))

    async def remove(self, _name: str, _version: Version) -> None:
        await self._agenda.wait_until(self._agenda.clock() + self._operation_s)

    async def recall(self, name: str, version: Version) -> None:
        """Every version is known."""
