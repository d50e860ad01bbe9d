"""``cmle env``: a shell gets the variables and gives them back."""

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle


def shell(script: str) -> dict[str, str]:
    done = subprocess.run(
        ["sh", "-c", f"{script}\nenv"],
        env={"https_proxy": "http://before", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


@pytest.mark.usefixtures("data_dir")
def test_shell_is_led_to_the_emulator_and_back(
    cmle: "Cmle", served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://before")
    script = cmle("env").out
    led = shell(script)
    assert led["https_proxy"] == served
    assert led["CLOUDSDK_CORE_PROJECT"] == "p"
    for name, value in led.items():
        monkeypatch.setenv(name, value)
    back = shell(script + cmle("env", "--unset").out)
    assert back["https_proxy"] == "http://before"
    assert "CLOUDSDK_CORE_PROJECT" not in back
