import os
import shutil
import subprocess
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import environment

URL = "http://127.0.0.1:8787"
VARIABLES = environment.variables(URL, "/d/bundle.pem", "my-project", "/d/gcloud")
SHELLS = [shell for shell in ("bash", "zsh", "dash", "sh") if shutil.which(shell)]


def run(shell: str, script: str, given: Mapping[str, str]) -> dict[str, str]:
    """The exported variables of a shell after a script."""
    ended = subprocess.run(
        [shell, "-c", f'eval "$SCRIPT"\nunset SCRIPT\n{shutil.which("env")} -0'],
        env={**given, "SCRIPT": script, "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    assert ended.stderr == b""
    lines = (line.partition("=") for line in ended.stdout.decode().split("\0") if line)
    ours = {"_", "PWD", "SHLVL", "OLDPWD", "PATH"}
    return {name: value for name, _, value in lines if name not in ours}


def test_a_persons_shell_gets_what_every_client_reads() -> None:
    expected = {
        "https_proxy": URL,
        "HTTP_PROXY": URL,
        "no_proxy": "localhost,127.0.0.1",
        "NO_PROXY": "localhost,127.0.0.1",
        "CURL_CA_BUNDLE": "/d/bundle.pem",
        "HTTPLIB2_CA_CERTS": "/d/bundle.pem",
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": "/d/bundle.pem",
        "CLOUDSDK_CORE_PROJECT": "my-project",
        "CLOUDSDK_CONFIG": "/d/gcloud",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "GCE_METADATA_HOST": "127.0.0.1:8787",
        "GCE_METADATA_ROOT": "127.0.0.1:8787",
        "GCE_METADATA_IP": "127.0.0.1:8787",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "STORAGE_EMULATOR_HOST": URL,
    }

    assert expected.items() <= VARIABLES.items()
    assert "NO_GCE_CHECK" not in VARIABLES


def test_a_cluster_bypasses_the_proxy_in_both_spellings() -> None:
    variables = environment.replica_variables(URL, "/b.pem")
    found = environment.without_proxy_between(variables, ["worker-0", "ps-0"])

    assert found["no_proxy"] == found["NO_PROXY"]
    assert found["no_proxy"].split(",") == ["localhost", "127.0.0.1", "worker-0", "ps-0"]


@pytest.mark.parametrize(
    ("own", "exceptions"),
    [
        ({"https_proxy": "p"}, {"no_proxy": "localhost,127.0.0.1,ps-0"}),
        (
            {"grpc_proxy": "p", "no_proxy": "a, ps-0", "no_grpc_proxy": "b"},
            {
                "no_proxy": "a,ps-0,localhost,127.0.0.1",
                "no_grpc_proxy": "b,localhost,127.0.0.1,ps-0",
            },
        ),
        ({"HTTPS_PROXY": "p"}, {"NO_PROXY": "localhost,127.0.0.1,ps-0"}),
        ({"https_proxy": "", "OTHER": "1"}, {}),
    ],
)
def test_no_proxy_of_a_jobs_own_stands_between_peers(
    own: dict[str, str], exceptions: dict[str, str]
) -> None:
    assert environment.without_proxy_between(own, ["ps-0"]) == {**own, **exceptions}


def test_namespaces_need_no_proxy() -> None:
    variables = environment.namespace_variables()

    assert variables["GCE_METADATA_IP"] == "metadata.google.internal"
    assert variables["CURL_CA_BUNDLE"] == environment.SYSTEM_BUNDLE
    assert not [name for name in variables if "proxy" in name.lower()]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_gets_back_what_it_had(shell: str) -> None:
    original = {"https_proxy": "http://old 'proxy' $x\nline", "SSL_CERT_FILE": "", "OTHER": "1"}
    inside = run(shell, environment.export_script(VARIABLES, original), original)
    after = run(shell, environment.unset_script(inside), inside)

    assert VARIABLES.items() <= inside.items()
    assert inside["OTHER"] == "1"
    assert after == original


@pytest.mark.parametrize("shell", SHELLS)
def test_a_second_script_keeps_the_first_memory(shell: str) -> None:
    original = {"https_proxy": "http://old"}
    first = run(shell, environment.export_script({**VARIABLES, "GONE": "x"}, original), original)
    other = environment.variables("http://127.0.0.1:1", "/e.pem", "q", "/e/gcloud")
    second = run(shell, environment.export_script(other, first), first)
    after = run(shell, environment.unset_script(second), second)

    assert other.items() <= second.items()
    assert "GONE" not in second
    assert after == original


def test_nothing_is_unset_where_nothing_was_set() -> None:
    assert environment.unset_script({"https_proxy": "http://mine"}) == ""


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="a b"):
        environment.export_script({"a b": "c"}, {})


NAMES = st.sampled_from(["https_proxy", "no_proxy", "SSL_CERT_FILE", "HOME", "X"])


@given(st.dictionaries(NAMES, st.text()), st.dictionaries(NAMES, st.text()))
def test_the_environment_before_can_be_known(
    original: dict[str, str], variables: dict[str, str]
) -> None:
    saved = {f"CMLE_OLD_{name}": original[name] for name in variables if name in original}
    inside = {**original, **saved, **variables, "CMLE_ENV": " ".join(variables)}

    assert environment.before(inside) == original
    assert environment.before(original) == original
