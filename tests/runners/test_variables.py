from pathlib import Path
from typing import Any

from emulator.cluster import Network, Replica
from emulator.environment import SYSTEM_BUNDLE
from emulator.identity import Identity
from emulator.runners.variables import with_variables

BUNDLE = Path("/data/authority/bundle.pem")
GOOGLE = Network(Identity())
INSTALL = Network(Identity(), "hosts", ("index:443",))


def added(network: Network | None, **fields: Any) -> dict[str, str]:
    replica = Replica("r", "t", ("x",), {"OWN": "1"}, "/w", network=network, **fields)
    return with_variables(replica, BUNDLE).env


def test_without_a_network_nothing_is_added() -> None:
    assert added(None) == {"OWN": "1"}


def test_in_namespaces_names_are_enough() -> None:
    found = added(GOOGLE)
    assert found["SSL_CERT_FILE"] == SYSTEM_BUNDLE
    assert found["OWN"] == "1"
    assert not any(name.lower().endswith("_proxy") for name in found)


def test_without_namespaces_a_proxy_leads_the_way() -> None:
    found = added(GOOGLE, isolation="none")
    assert found["https_proxy"] == found["HTTP_PROXY"] == "http://127.0.0.1:{gateway_port}"
    assert found["no_proxy"] == found["NO_PROXY"]
    assert found["CURL_CA_BUNDLE"] == str(BUNDLE)


def test_an_installation_always_has_a_proxy() -> None:
    assert added(INSTALL)["https_proxy"] == added(INSTALL, isolation="none")["https_proxy"]


def test_a_cluster_never_has_a_proxy_between_its_hosts() -> None:
    replica = Replica("r", "t", ("x",), {"https_proxy": "own"}, "/w", network=GOOGLE)
    found = with_variables(replica, BUNDLE, ("worker-0", "ps-0")).env
    assert found["no_proxy"] == "localhost,127.0.0.1,worker-0,ps-0"
