from emulator import catalog
from emulator.gateway import routes
from emulator.hosts import google_hosts


def test_every_name_is_served_by_the_gateway() -> None:
    names = google_hosts(catalog.load().regions)
    assert [name for name in names if not routes.is_google(name)] == []


def test_every_name_that_the_gateway_serves_is_listed() -> None:
    listed = {*google_hosts(()), routes.METADATA_ADDRESS}
    assert set(routes.HOSTS) <= listed


def test_regions_have_a_name_each() -> None:
    assert google_hosts(["us-central1"])[-1] == "us-central1-ml.googleapis.com"
