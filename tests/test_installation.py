from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.cluster import Bind, Isolation
from emulator.identity import Kind
from emulator.installation import USER_BASE, Grounds, installation, pip_commands, user_base
from emulator.package_index import PackageIndex
from emulator.runtimes import Runtime

RUNTIME = Runtime(
    "1.15", "3.7", "3.7.16", "1.15.5", "k", "/c/env", ("/opt/py",), ("index:443", "files:443")
)


def grounds(isolation: Isolation = "namespaces", **index: Any) -> Grounds:
    return Grounds("/d/work", "/d/root", isolation, PackageIndex(**index), ("mine:443",))


def test_commands_are_the_service_s() -> None:
    first, second = pip_commands("t-1.tar.gz")
    assert " ".join(first) == (
        "pip3 install --user --upgrade --force-reinstall --no-deps t-1.tar.gz"
    )
    assert " ".join(second) == "pip3 install --user t-1.tar.gz"


def test_archive_is_never_an_option() -> None:
    assert pip_commands("-r.tar.gz")[1][-1] == "./-r.tar.gz"


def test_packages_are_seen_where_the_service_has_them() -> None:
    replica = installation("pip-1", pip_commands("t.tar.gz")[0], RUNTIME, grounds())
    assert Bind("/d/root", USER_BASE, writable=True) in replica.binds
    assert replica.env["PYTHONUSERBASE"] == USER_BASE == "/root/.local"
    assert replica.argv[0] == "/c/env/bin/python"
    assert replica.argv[2:4] == ("install", "--user")
    assert [bind.target for bind in replica.binds if bind.source == "/d/work"] != []


def test_only_the_index_is_reached() -> None:
    replica = installation("pip-1", pip_commands("t.tar.gz")[0], RUNTIME, grounds())
    assert replica.network is not None
    assert replica.network.scope == "hosts"
    assert replica.network.allow_hosts == ("files:443", "index:443", "mine:443")
    assert replica.network.identity.kind is Kind.INSTALL
    assert "{gateway_port}" in replica.env["https_proxy"]
    assert replica.env["no_proxy"] == ""


def test_own_index_takes_the_place_of_the_default(tmp_path: Path) -> None:
    own: dict[str, Any] = {"url": "http://127.0.0.1:3141/s", "find_links": (str(tmp_path),)}
    replica = installation("pip-1", ("pip3",), RUNTIME, grounds(**own))
    assert replica.network is not None
    assert replica.network.allow_hosts == ("127.0.0.1:3141", "mine:443")
    assert Bind(str(tmp_path), str(tmp_path)) in replica.binds
    assert replica.env["PIP_INDEX_URL"] == "http://127.0.0.1:3141/s"


@pytest.mark.parametrize("isolation", ["namespaces", "none"])
def test_index_s_certificate_is_shown(isolation: Isolation) -> None:
    replica = installation("pip-1", ("pip3",), RUNTIME, grounds(isolation, certificate="/x.pem"))
    seen = {bind.source: bind.target for bind in replica.binds}
    expected = seen["/x.pem"] if isolation == "namespaces" else "/x.pem"
    assert replica.env["PIP_CERT"] == expected


def test_without_namespaces_nothing_is_bound() -> None:
    replica = installation("pip-1", ("pip3",), RUNTIME, grounds("none"))
    assert replica.binds == ()
    assert replica.env["PYTHONUSERBASE"] == "/d/root"
    assert Path(replica.argv[1]).is_file()


@pytest.mark.parametrize("path", ["/root/.local/share/uv/python", "/root/.local"])
def test_base_makes_room_for_what_lies_there(path: str) -> None:
    runtime = msgspec.structs.replace(RUNTIME, prefixes=(path,))
    replica = installation("pip-1", ("pip3",), runtime, grounds())
    base = replica.env["PYTHONUSERBASE"]
    assert base != USER_BASE
    assert Bind("/d/root", base, writable=True) in replica.binds
    assert user_base([Bind("/x", "/root/.localhost")]) == USER_BASE


def test_host_s_configuration_is_not_read() -> None:
    env = installation("pip-1", ("pip3",), RUNTIME, grounds()).env
    assert env["PIP_CONFIG_FILE"] == "/dev/null"
    assert env["HOME"] == "/root"
