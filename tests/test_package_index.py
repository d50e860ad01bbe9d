from pathlib import Path

import pytest

from emulator.package_index import PackageIndex

DEFAULT = ("index.example:443", "files.example:443")


def conf(folder: Path, text: str) -> dict[str, str]:
    path = folder / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return {"HOME": str(folder)}


def test_nothing_set_means_the_default_index(tmp_path: Path) -> None:
    index = PackageIndex.of_user({"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"})
    assert index.hosts(DEFAULT) == ("files.example:443", "index.example:443")
    assert index.for_pip() == {}


def test_pip_configuration_reaches_uv(tmp_path: Path) -> None:
    environment = conf(
        tmp_path,
        "[global]\nindex-url = https://mirror.example:8443/simple\ntimeout = 7\n"
        "[install]\nextra_index_url = http://a.example/x https://b.example/y\n",
    )
    environment["PATH"] = "/bin"
    env = PackageIndex.of_user(environment).for_uv(environment)
    assert env["UV_DEFAULT_INDEX"] == "https://mirror.example:8443/simple"
    assert env["UV_EXTRA_INDEX_URL"] == "http://a.example/x https://b.example/y"
    assert env["UV_HTTP_TIMEOUT"] == "7"


def test_variables_win_over_files(tmp_path: Path) -> None:
    environment = conf(tmp_path, "[global]\nindex-url = https://file.example/simple\n")
    environment["PIP_INDEX_URL"] = "https://variable.example/simple"
    assert PackageIndex.of_user(environment).url == "https://variable.example/simple"
    environment["UV_DEFAULT_INDEX"] = "https://uv.example/simple"
    assert PackageIndex.of_user(environment).url == "https://uv.example/simple"


def test_hosts_are_those_of_every_place(tmp_path: Path) -> None:
    index = PackageIndex(
        url="http://127.0.0.1:3141/root",
        extra_urls=("https://u:p@extra.example/simple",),
        find_links=("https://links.example/list.html", str(tmp_path)),
    )
    expected = ("127.0.0.1:3141", "extra.example:443", "links.example:443")
    assert index.hosts(DEFAULT) == expected
    assert index.folders() == (str(tmp_path),)


def test_closed_index_reaches_no_host(tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "PIP_NO_INDEX": "yes",
        "PIP_INDEX_URL": "https://i.example",
    }
    index = PackageIndex.of_user(environment)
    assert index.hosts(DEFAULT) == ()
    assert index.for_uv(environment)["UV_NO_INDEX"] == "1"


def test_missing_folders_are_left_out(tmp_path: Path) -> None:
    links = f"{tmp_path}/none {tmp_path} https://links.example/"
    environment = {"HOME": str(tmp_path), "PIP_FIND_LINKS": links, "PIP_CONFIG_FILE": "/dev/null"}
    index = PackageIndex.of_user(environment)
    assert index.find_links == (str(tmp_path), "https://links.example/")


def test_certificate_is_pip_s_own_first(tmp_path: Path) -> None:
    pip, system = tmp_path / "pip.pem", tmp_path / "system.pem"
    environment = {"HOME": str(tmp_path), "PIP_CERT": str(pip), "SSL_CERT_FILE": str(system)}
    system.write_text("")
    assert PackageIndex.of_user(environment).certificate == str(system)
    pip.write_text("")
    assert PackageIndex.of_user(environment).certificate == str(pip)


def test_only_known_variables_are_passed_on(tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "s",
        "PYTHONPATH": "/evil",
        "VIRTUAL_ENV": "/venv",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "UV_CACHE_DIR": "/c",
        "PIP_CONFIG_FILE": "/dev/null",
    }
    env = PackageIndex.of_user(environment).for_uv(environment)
    assert set(env) == {"HOME", "PATH", "LC_ALL", "NO_COLOR", "HTTPS_PROXY", "UV_CACHE_DIR"}


def test_wheelhouse_needs_no_network(tmp_path: Path) -> None:
    index = PackageIndex.of_wheelhouse(tmp_path)
    env = index.for_uv({"HTTPS_PROXY": "http://proxy.example", "PATH": "/bin"})
    assert env["UV_OFFLINE"] == env["UV_NO_INDEX"] == "1"
    assert "HTTPS_PROXY" not in env
    assert index.for_pip() == {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}


@pytest.mark.parametrize("text", ["[global\nbroken", "no section = 1", "\udcff"])
def test_broken_configuration_is_pip_s_to_report(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".pip" / "pip.conf"
    path.parent.mkdir()
    path.write_bytes(text.encode(errors="surrogateescape"))
    environment = {"HOME": str(tmp_path), "PIP_TIMEOUT": "5"}
    assert PackageIndex.of_user(environment).timeout_s == "5"
