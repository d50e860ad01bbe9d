import re
from pathlib import Path

import pytest

from emulator import catalog, schema
from emulator.catalog import Machine
from emulator.errors import OperatorError

CATALOG = catalog.load()
ACCELERATORS = schema.table().messages["GoogleCloudMlV1__AcceleratorConfig"]["type"].values
TIERS = schema.table().messages["GoogleCloudMlV1__TrainingInput"]["scaleTier"].values


def test_has_every_scale_tier_of_the_schema() -> None:
    assert set(CATALOG.tiers) == set(TIERS)
    assert CATALOG.tiers["STANDARD_1"].worker == ("n1-highcpu-8", 4)
    assert CATALOG.tiers["PREMIUM_1"].parameter_server == ("n1-highmem-8", 11)


def test_knows_every_accelerator_it_names() -> None:
    machines = CATALOG.machines
    named = {kind for counts in CATALOG.counts.values() for kind in counts}
    named |= {kind for region in CATALOG.regions.values() for kind in region.accelerators}
    named |= {one.accelerator for one in (*machines.legacy.values(), *machines.compute.values())}
    assert named - {""} <= set(ACCELERATORS)


def test_attaches_accelerators_to_known_machines() -> None:
    assert all(CATALOG.machines.training(name) for name in CATALOG.counts)
    assert CATALOG.counts["n1-highcpu-64"]["NVIDIA_TESLA_K80"] == (8,)
    assert "NVIDIA_TESLA_K80" not in CATALOG.counts["n1-standard-64"]


def test_tells_legacy_types_from_compute_engine_types() -> None:
    machines = CATALOG.machines
    assert not machines.legacy.keys() & machines.compute.keys()
    large = machines.training("large_model")
    assert large is not None
    assert (large.cpus, large.memory_gb, large.alike) == (8, 52.0, "n1-highmem-8")
    assert machines.training("n1-standard-2") is None


def test_every_tier_has_machines_of_a_size_and_a_price() -> None:
    rates = CATALOG.rates
    for tier in CATALOG.tiers.values():
        groups = (tier.worker, tier.parameter_server)
        for name in {tier.master, *(group[0] for group in groups if group)} - {""}:
            assert CATALOG.machines.of_tier(name) is not None
    for name, machine in (CATALOG.machines.legacy | CATALOG.machines.compute).items():
        begin = (machine.alike or name).startswith(tuple(rates.cpu))
        assert begin or name.startswith("n1-ultramem"), name
    named = {kind for counts in CATALOG.counts.values() for kind in counts}
    assert named <= rates.accelerator.keys()


def test_a_folder_of_one_s_own_adds_to_the_tables(tmp_path: Path) -> None:
    (tmp_path / "machine_types.toml").write_text(
        "[compute]\ntiny = { cpus = 1, memory_gb = 0.25 }\n"
        "n1-standard-4 = { cpus = 3, memory_gb = 1.0 }\n"
    )
    (tmp_path / "accelerators.toml").write_text(
        '[[machines]]\ntypes = ["tiny"]\nNVIDIA_TESLA_T4 = [1]\n'
    )
    (tmp_path / "notes.txt").write_text("not read")
    found = catalog.load(tmp_path)
    assert found.machines.training("tiny") == Machine(cpus=1, memory_gb=0.25)
    assert found.machines.compute["n1-standard-4"] == Machine(cpus=3, memory_gb=1.0)
    assert found.machines.compute["n1-standard-8"] == CATALOG.machines.compute["n1-standard-8"]
    assert found.counts["tiny"] == {"NVIDIA_TESLA_T4": (1,)}
    assert found.counts["n1-highcpu-64"] == CATALOG.counts["n1-highcpu-64"]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("machine_types.toml", "[compute]\ntiny = { cpu = 1 }", "cpu"),
        ("machine_types.toml", "[compute", "Expected"),
        ("machines.toml", "", "machines.toml is no file of the catalog"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(
    tmp_path: Path, name: str, text: str, word: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(OperatorError, match=word) as caught:
        catalog.load(tmp_path)
    assert "scale_tiers.toml, machine_types.toml" in str(caught.value)


def test_lists_training_regions_in_order() -> None:
    regions = CATALOG.training_regions
    assert regions == sorted(regions)
    assert len(regions) == 22
    assert all(re.fullmatch(r"[a-z]+-[a-z]+\d", name) for name in regions)
    assert "global" not in regions


def test_has_the_runtime_versions() -> None:
    assert CATALOG.runtimes.runtimes["1.15"].python == ("2.7", "3.7")
    assert "1.3" not in CATALOG.runtimes.runtimes
