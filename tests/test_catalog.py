import re

from emulator import catalog, schema

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


def test_lists_training_regions_in_order() -> None:
    regions = CATALOG.training_regions
    assert regions == sorted(regions)
    assert len(regions) == 22
    assert all(re.fullmatch(r"[a-z]+-[a-z]+\d", name) for name in regions)
    assert "global" not in regions


def test_has_the_runtime_versions() -> None:
    assert CATALOG.runtimes.runtimes["1.15"].python == ("2.7", "3.7")
    assert "1.3" not in CATALOG.runtimes.runtimes
