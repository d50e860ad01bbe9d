from pathlib import Path

from emulator.policies import Policies
from emulator.store import Store


def test_a_policy_is_kept_replaced_and_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    policies = Policies(store)

    assert policies.get("projects/p/jobs/j") is None
    policies.put("projects/p/jobs/j", b"1")
    policies.put("projects/p/jobs/j", b"2")
    assert policies.get("projects/p/jobs/j") == b"2"
    policies.forget("projects/p/jobs/j")
    assert policies.get("projects/p/jobs/j") is None
    store.close()
