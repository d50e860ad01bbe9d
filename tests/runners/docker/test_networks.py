"""Small subnets that nobody else has."""

from ipaddress import IPv4Network

from emulator.runners.docker.networks import RANGES, Subnet, bridge_prefix, found, free


def test_addresses_of_a_subnet() -> None:
    subnet = Subnet("10.213.1.0/25")
    assert (subnet.bridge, subnet.relay) == ("10.213.1.1", "10.213.1.2")
    assert subnet.replicas == "10.213.1.64/26"


def test_the_first_that_overlaps_with_nothing() -> None:
    taken = [IPv4Network("10.213.0.0/24"), IPv4Network("10.0.0.0/30")]
    assert next(free(25, taken)) == Subnet("10.213.1.0/25")
    assert next(free(25, [IPv4Network("10.0.0.0/8")])).cidr.startswith("172.30.")
    assert list(free(25, [IPv4Network("0.0.0.0/0")])) == []


def test_there_are_many() -> None:
    assert len(list(free(25, []))) > 1500
    assert len({subnet.cidr for subnet in free(25, [])}) == len(list(free(25, [])))
    assert all(IPv4Network(text).is_private for text in RANGES)


def test_what_the_engine_says_of_a_network() -> None:
    row = {
        "Id": "i",
        "Name": "n",
        "Labels": {"cmle.site": "s"},
        "IPAM": {"Config": [{"Subnet": "10.213.1.0/25"}]},
    }
    assert found(row).site_id == "s"
    assert found(row).subnet == Subnet("10.213.1.0/25")
    assert found(row | {"Labels": None}).site_id == ""


def test_names_of_bridges_are_short_enough() -> None:
    assert len(bridge_prefix("0123456789ab") + "-" + "ffffff") <= 15
