import asyncio
from pathlib import Path

import pytest

from emulator.docker_client import Client, Docker, said, trouble
from emulator.errors import OperatorError

WITH_BUILDX = """#!/bin/sh
case "$1" in
  buildx) [ "$2" = version ] && exit 0; echo "$@"; exit 0 ;;
  --version) echo 'Docker version 28.2.2, build e6534b4' ;;
esac
"""
OLD = """#!/bin/sh
case "$1" in
  buildx) echo "docker: 'buildx' is not a docker command." >&2; exit 1 ;;
  --version) echo 'Docker version 20.10.24+dfsg1, build 297e128' ;;
  build) echo "#7 1.25 Collecting numpy $DOCKER_BUILDKIT"; exit 0 ;;
  *) echo "$@" ;;
esac
"""
NEW = OLD.replace("20.10.24+dfsg1", "28.2.2")
DEAF = OLD.replace('*) echo "$@"', "*) exec /bin/sleep 60")
STOPPED = OLD.replace(
    '*) echo "$@"', '*) echo "Cannot connect to the Docker daemon at unix:///x." >&2; exit 1'
)


def docker(folder: Path, *programs: str) -> Docker:
    """The docker commands of a machine, in the order of its PATH."""
    folders = []
    for number, program in enumerate(programs):
        place = folder / str(number)
        place.mkdir()
        (place / "docker").write_text(program)
        (place / "docker").chmod(0o755)
        folders.append(str(place))
    return Docker({"PATH": ":".join(folders), "HOME": str(folder)})


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.docker_client._USUAL", ())


def test_a_client_that_can_build_is_preferred(tmp_path: Path) -> None:
    client = asyncio.run(docker(tmp_path, NEW, OLD).client())
    assert client == Client(str(tmp_path / "1" / "docker"), ("build",))


def test_the_plugin_is_used_where_it_is(tmp_path: Path) -> None:
    client = asyncio.run(docker(tmp_path, WITH_BUILDX, OLD).client())
    assert client == Client(str(tmp_path / "0" / "docker"), ("buildx", "build", "--load"))


def test_a_client_that_cannot_build_serves_for_the_rest(tmp_path: Path) -> None:
    one = docker(tmp_path, NEW)
    assert asyncio.run(one.call("image", "ls")).text == "image ls"
    with pytest.raises(OperatorError, match="cannot build with BuildKit"):
        asyncio.run(one.build(["."], on_line=print))


def test_lines_of_a_build_come_without_its_numbers(tmp_path: Path) -> None:
    lines: list[str] = []
    outcome = asyncio.run(docker(tmp_path, OLD).build(["."], on_line=lines.append))
    assert (outcome.status, lines) == (0, ["Collecting numpy 1"])
    assert said("#12 DONE 0.1s") == "DONE 0.1s"


def test_no_client_is_said(tmp_path: Path) -> None:
    nowhere = Docker({"PATH": str(tmp_path)})
    with pytest.raises(OperatorError, match="There is no docker command on PATH"):
        asyncio.run(nowhere.client())


def test_an_engine_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"No Docker Engine answers\. Start it"):
        asyncio.run(docker(tmp_path, STOPPED).call("image", "ls"))


def test_an_engine_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.docker_client.CALL_S", 0.5)
    with pytest.raises(OperatorError, match="did not answer `docker image`"):
        asyncio.run(docker(tmp_path, DEAF).call("image", "ls"))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("ssl.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate", "PIP_CERT="),
        ("the --mount option requires BuildKit. Refer to", "buildx"),
        ("write /var/lib/docker/x: no space left on device", "disk of the Docker Engine is full"),
        ("Got permission denied while trying to connect to the Docker daemon", "group docker"),
    ],
)
def test_known_errors_have_a_way_out(text: str, meaning: str) -> None:
    assert meaning in trouble(text)
    assert not trouble("something else")
