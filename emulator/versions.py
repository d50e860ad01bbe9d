"""The versions that one test deploys, asks, and takes back."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from emulator.answer import Answer
from emulator.client import Client
from emulator.errors import CmleError
from emulator.outcome import read_saved_model
from emulator.rest import Refused
from emulator.savedmodel import summary

ASKED_ALONE: Final = 20  # instances of a refused request
NOT_FOUND: Final = 404


class Deployed(msgspec.Struct, frozen=True):
    """A version that answers; ``origin`` is its gs:// folder."""

    model: str
    version: str
    origin: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


class Versions:
    """Versions of models that are made for them; ``prefix`` begins the models' names."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self.deployed: list[Deployed] = []

    def deploy(
        self, origin: str, fields: Mapping[str, Any], *, model: str = "", version: str = "v1"
    ) -> Deployed:
        """Make a version of a gs:// folder, and the model, and wait until it answers.

        ``fields`` are those of a Version. Refused if it cannot serve, with the signatures found.
        """
        model = model or f"{self._prefix}_{secrets.token_hex(4)}"
        if model not in {each.model for each in self.deployed}:
            self._client.create_model(model, regions=["us-central1"])
        deployed = Deployed(model, version, origin)
        self.deployed.append(deployed)
        body = {"name": version, "deploymentUri": origin, "framework": "TENSORFLOW", **fields}
        try:
            self._client.wait_operation(self._client.create_version(model, body))
        except Refused as refused:
            refused.add_note("\n".join(self._signatures(origin)))
            raise
        return deployed

    def predict(
        self, deployed: Deployed | str, instances: Sequence[Any], *, signature_name: str = ""
    ) -> Answer:
        """Ask a version, or ``"model"`` or ``"model/version"`` of the project.

        When instances are refused together, each is asked alone, to know which it is.
        """
        model, _, version = str(deployed).partition("/")
        named = {"signature_name": signature_name} if signature_name else {}

        def ask(rows: Sequence[Any]) -> dict[str, Any]:
            try:
                return dict(self._client.predict(model, version, {"instances": rows, **named}))
            except Refused as refused:
                if refused.status:  # of the request, not of the model
                    raise
                return {"error": refused.message}

        rows = list(instances)
        document = ask(rows)
        failing = {}
        if "error" in document and len(rows) > 1:
            alone = {number: ask([row]) for number, row in enumerate(rows[:ASKED_ALONE])}
            failing = {number: str(it["error"]) for number, it in alone.items() if "error" in it}
        return Answer(document, rows, failing)

    def close(self) -> None:
        """Take back every version, and the models with them."""
        default_last = reversed(self.deployed)
        for deployed in default_last:
            with _gone_is_fine():
                deleted = self._client.delete_version(deployed.model, deployed.version)
                self._client.wait_operation(deleted)
        for model in {deployed.model for deployed in self.deployed}:
            with _gone_is_fine():
                self._client.wait_operation(self._client.delete_model(model))
        self.deployed.clear()

    def _signatures(self, origin: str) -> Iterator[str]:
        try:
            graphs = read_saved_model(self._client, origin).meta_graphs
        except CmleError as error:
            yield f"{origin}: {error}"
            return
        yield f"signatures of {origin}:"
        for graph in graphs:
            yield f"  tags {', '.join(graph.tags) or '(none)'}"
            for name, signature in graph.callable_signatures.items():
                yield f"    {name}"
                yield from (f"      {line}" for line in summary(signature))


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        if refused.code != NOT_FOUND:
            raise
