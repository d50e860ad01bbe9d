import pytest

from emulator.environment import export_script, variables
from emulator.gateway.ways_out import Proxy, WaysOut


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://proxy.example:3128", Proxy("proxy.example", 3128)),
        ("proxy.example:3128", Proxy("proxy.example", 3128)),
        ("http://proxy.example/", Proxy("proxy.example", 80)),
        ("http://me:p%40ss@proxy.example:1", Proxy("proxy.example", 1, "Basic bWU6cEBzcw==")),
        ("socks5://proxy.example:1080", None),
        ("http://proxy.example:x", None),
        ("", None),
    ],
)
def test_proxies_are_read_from_their_urls(url: str, expected: Proxy | None) -> None:
    assert Proxy.parse(url) == expected


def test_a_tunnel_is_asked_for_with_the_login() -> None:
    asked = Proxy("p", 1, "Basic x").connect("::1", 443)

    assert asked == (
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic x\r\n\r\n"
    )


def test_lower_case_wins_and_exceptions_go_directly() -> None:
    ways = WaysOut.of(
        {
            "https_proxy": "http://a:1",
            "HTTPS_PROXY": "http://b:2",
            "NO_PROXY": " .corp, lab.example",
        },
        8787,
    )

    assert ways.proxy("https", "pypi.example") == Proxy("a", 1)
    assert ways.proxy("http", "pypi.example") is None
    for direct in ("index.corp", "lab.example", "deep.lab.example"):
        assert ways.proxy("https", direct) is None
    assert WaysOut.of({"all_proxy": "http://a:1", "no_proxy": "*"}, 1).proxy("http", "x") is None


def test_the_gateway_is_never_its_own_proxy() -> None:
    ways = WaysOut.of(
        {"https_proxy": "http://127.0.0.1:8787", "http_proxy": "localhost:8787"}, 8787
    )

    assert ways.proxies == {}


def test_the_users_proxy_is_found_behind_the_emulators_variables() -> None:
    ours = variables("http://127.0.0.1:8787", "/b.pem", "p", "/g")
    original = {"https_proxy": "http://corp:3128"}
    lines = export_script(ours, original).splitlines()
    inside = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    inside["CMLE_ENV"] = inside["CMLE_ENV"].strip("'")

    assert WaysOut.of(inside, 1).proxies == {"https": Proxy("corp", 3128)}
