import pytest

from emulator.api import policies
from emulator.api.services import Services
from emulator.errors import Aborted

NAME = "projects/demo/models/m"


def test_an_etag_changes_with_its_policy(services: Services) -> None:
    first = policies.change(services.policies, NAME, {"bindings": [], "version": 1})
    second = policies.change(services.policies, NAME, {**first, "version": 3})
    assert first["etag"] != second["etag"]
    assert policies.current(services.policies, NAME) == second


def test_refuses_a_change_on_an_old_etag(services: Services) -> None:
    policies.change(services.policies, NAME, {"bindings": []})
    with pytest.raises(Aborted):
        policies.change(services.policies, NAME, {"bindings": [], "etag": "ACAB"})


def test_a_policy_without_an_etag_replaces_any(services: Services) -> None:
    policies.change(services.policies, NAME, {"version": 1})
    policies.change(services.policies, NAME, {"version": 3})
    assert policies.current(services.policies, NAME)["version"] == 3
