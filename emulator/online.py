"""Online prediction: from a model's or a version's name to its server and back."""

from typing import Protocol

from emulator import texts
from emulator.errors import FailedPrecondition, NotFound
from emulator.models import Models
from emulator.names import components, last_component
from emulator.resources import Version
from emulator.states import VersionState


class Servers(Protocol):
    """``emulator.prediction.Predictions``, as far as a prediction needs it."""

    async def predict(self, key: str, body: bytes) -> tuple[int, bytes]: ...


class Rollouts(Protocol):
    """``emulator.rollout.Rollout``, as far as a prediction needs it."""

    async def recall(self, name: str, version: Version) -> None: ...


class Online:
    """Answers ``projects.predict``; bodies pass through undecoded."""

    def __init__(self, models: Models, rollouts: Rollouts, servers: Servers) -> None:
        self._models = models
        self._rollouts = rollouts
        self._servers = servers

    async def predict(self, name: str, body: bytes) -> tuple[int, bytes]:
        """HTTP status and body for a model's default version, or for the version named."""
        version = self._version(name)
        if version.state != VersionState.READY:
            raise FailedPrecondition.field(
                "name",
                f"Version {last_component(version.name)} cannot predict: its state is "
                f"{version.state}. {version.error_message}".rstrip(),
            )
        await self._rollouts.recall(version.name, version)
        return await self._servers.predict(version.name, body)

    def _version(self, name: str) -> Version:
        if "versions" in components(name):
            return self._models.version(name)
        version = self._models.default_version(name)
        if version is None:
            raise NotFound.field(
                "name",
                texts.no_default_version(last_component(name)),
            )
        return version
