import asyncio
import hashlib
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from emulator.environment import SYSTEM_BUNDLE
from emulator.errors import OperatorError
from emulator.images import REPOSITORY, Images
from emulator.package_index import PackageIndex
from emulator.progress import Step, silent
from emulator.runners.docker.files import BUNDLE_NAMES, READY, USER
from emulator.runtime_versions import RuntimeVersion, RuntimeVersions

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
PYTHON = "3.7"
VERSION = "2.11"


def docker(*arguments: str) -> str:
    argv = ["docker", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    info = f"{name}-{version}.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in (*files.items(), (f"{info}/WHEEL", tag), (f"{info}/METADATA", metadata)):
            archive.writestr(path, text)
        names = [*archive.namelist(), f"{info}/RECORD"]
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))


class World:
    """A catalogue of one runtime version whose packages are of this test, and what it builds."""

    def __init__(self, folder: Path, base_image: str) -> None:
        self.folder = folder
        self.base_image = base_image
        self.lines: list[str] = []
        (folder / "wheels").mkdir()
        (folder / "requirements").mkdir()
        module = {"tensorflow/__init__.py": "__version__ = '2.11.0'\n"}
        wheel(folder / "wheels", "tensorflow_cpu", "2.11.0", module)
        # A hash of its own in the requirements, so that no other test's image is taken for this.
        own = hashlib.sha256(str(folder).encode()).hexdigest()
        (folder / "requirements" / "t.txt").write_text(
            f"tensorflow-cpu==2.11.0 \\\n    --hash=sha256:{own}\n"
        )

    def images(self, base_image: str | None = None, **environment: str) -> Images:
        known = RuntimeVersion("2023", "2.11.0", (PYTHON,), environments={PYTHON: "t.txt"})
        return Images(
            self.folder / "cache",
            index=PackageIndex.of_wheelhouse(self.folder / "wheels"),
            environment={**os.environ, **environment},
            base_image=self.base_image if base_image is None else base_image,
            versions=RuntimeVersions({VERSION: known}),
            requirements=self.folder / "requirements",
        )

    def say(self, step: Step) -> None:
        self.lines.append(f"{step.subject}: {step.text}")


@pytest.fixture
def world(tmp_path: Path, probe_image: str) -> Iterator[World]:
    world = World(tmp_path, probe_image)
    name = world.images().name(VERSION, PYTHON)
    with suppress(subprocess.CalledProcessError):
        docker("image", "rm", "--force", name)
    yield world
    with suppress(subprocess.CalledProcessError):
        docker("image", "rm", "--force", name)


def leftovers(world: World) -> tuple[str, str, list[str]]:
    """Containers, unnamed images and files that a build made and did not remove."""
    key = world.images().name(VERSION, PYTHON).rpartition("-")[2]
    ours = f"label=cmle.key={key}"
    folder = world.folder / "cache" / "images"
    return (
        docker("ps", "--all", "--quiet", "--filter", ours),
        docker("image", "ls", "--quiet", "--filter", ours, "--filter", "dangling=true"),
        [path.name for path in folder.iterdir() if path.suffix != ".lock"],
    )


def test_image_is_built_labelled_and_found_again(world: World) -> None:
    assert asyncio.run(world.images().finished(VERSION, PYTHON)) is None
    runtime = asyncio.run(world.images().ensure(VERSION, PYTHON, world.say))
    assert runtime.image == world.images().name(VERSION, PYTHON)
    assert (runtime.tensorflow, runtime.python) == ("2.11.0", "/usr/local/bin/python")
    assert runtime.actual_python.startswith("3.7.")
    assert runtime.library == "lib/python3.7/site-packages"
    assert runtime.index_hosts[0].endswith(":443")
    assert runtime.binds == ()
    assert world.lines[0] == f"image {VERSION}: building it from {world.base_image}"
    assert any("tensorflow" in line for line in world.lines)
    assert leftovers(world) == ("", "", [])
    nowhere = world.images(PATH=f"{world.folder}:{os.environ['PATH']}")
    assert asyncio.run(nowhere.finished(VERSION, PYTHON)) == runtime
    assert asyncio.run(world.images().names()) >= {runtime.image}


def test_nobody_runs_the_python_of_an_image(world: World) -> None:
    image = asyncio.run(world.images().ensure(VERSION, PYTHON)).image
    program = "import os, sys, tensorflow as t; print(os.getuid(), sys.executable, t.__version__)"
    said = docker(
        *("run", "--rm", "--network", "none", "--user", "65534:65534", "--read-only"),
        *(image, "python", "-c", program),
    )
    assert said.split() == ["65534", "/usr/local/bin/python", "2.11.0"]


def test_a_trainer_that_requires_tensorflow_finds_it(world: World) -> None:
    image = asyncio.run(world.images().ensure(VERSION, PYTHON)).image
    said = docker("run", "--rm", "--network", "none", image, "python", "-m", "pip", "list")
    assert {"tensorflow", "tensorflow_cpu"} <= {line.split()[0] for line in said.splitlines()[2:]}


def test_an_image_is_ready_for_replicas(world: World) -> None:
    """Nothing has to be unpacked into its containers; of authorities it has the names alone."""
    image = asyncio.run(world.images().ensure(VERSION, PYTHON)).image
    program = f"""
import os
for path in ("/root", "/user_dir"):
    found = os.stat(path)
    print(found.st_uid, found.st_gid, oct(found.st_mode & 0o777))
print({{os.readlink(path) for path in {BUNDLE_NAMES!r}}}, os.path.exists({SYSTEM_BUNDLE!r}))
"""
    said = docker("run", "--rm", "--network", "none", image, "python", "-c", program)
    mine = f"{USER} {USER}"
    expected = [f"{mine} 0o700", f"{mine} 0o755", f"{{{SYSTEM_BUNDLE!r}}} False"]
    assert said.splitlines() == expected
    assert READY in json.loads(docker("image", "inspect", image))[0]["Config"]["Labels"]


def test_no_layer_and_no_history_names_the_index(world: World) -> None:
    image = asyncio.run(world.images().ensure(VERSION, PYTHON)).image
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    config = docker("image", "inspect", image)
    assert str(world.folder) not in history + config
    files = docker("run", "--rm", "--network", "none", image, "ls", "/run/secrets", "/context")
    assert files.split() == ["/context:", "/run/secrets:"]


def test_one_image_is_built_for_many_who_ask(world: World) -> None:
    async def both() -> None:
        first, second = world.images(), world.images()
        runtimes = await asyncio.gather(
            first.ensure(VERSION, PYTHON, world.say), second.ensure(VERSION, PYTHON, world.say)
        )
        assert runtimes[0] == runtimes[1]

    asyncio.run(both())
    began = [line for line in world.lines if "building it from" in line]
    assert len(began) == 1
    assert any("another process is building this image" in line for line in world.lines)


def test_packages_that_fail_leave_nothing(world: World) -> None:
    for archive in (world.folder / "wheels").iterdir():
        archive.unlink()
    with pytest.raises(OperatorError, match=r"(?s)could not be built.*No matching distribution"):
        asyncio.run(world.images().ensure(VERSION, PYTHON))
    assert asyncio.run(world.images().finished(VERSION, PYTHON)) is None
    assert leftovers(world) == ("", "", [])


def test_a_module_that_does_not_import_is_no_runtime(world: World) -> None:
    broken = {"tensorflow/__init__.py": "raise ImportError('needs a newer NumPy')\n"}
    wheel(world.folder / "wheels", "tensorflow_cpu", "2.11.0", broken)
    with pytest.raises(OperatorError, match="needs a newer NumPy"):
        asyncio.run(world.images().ensure(VERSION, PYTHON))
    assert asyncio.run(world.images().finished(VERSION, PYTHON)) is None


def test_a_base_image_that_nobody_has_is_said(world: World) -> None:
    images = world.images("nowhere.invalid/python:3.7")
    with pytest.raises(OperatorError, match="--base-image") as caught:
        asyncio.run(images.ensure(VERSION, PYTHON))
    assert "The base image nowhere.invalid/python:3.7 is not on this machine" in str(caught.value)
    assert "base.sh 3.7" in str(caught.value)


def test_whoever_stops_waiting_stops_the_build(world: World) -> None:
    async def given_up() -> None:
        started = asyncio.Event()
        work = asyncio.create_task(world.images().ensure(VERSION, PYTHON, lambda _: started.set()))
        await started.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(given_up())
    assert leftovers(world) == ("", "", [])
    assert asyncio.run(world.images().ensure(VERSION, PYTHON)).tensorflow == "2.11.0"


def test_an_image_of_that_name_with_another_key_is_built_anew(world: World) -> None:
    name = world.images().name(VERSION, PYTHON)
    docker("tag", world.base_image, name)
    assert asyncio.run(world.images().finished(VERSION, PYTHON)) is None
    runtime = asyncio.run(world.images().ensure(VERSION, PYTHON, silent))
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", name))
    assert labels["cmle.key"] == runtime.key
    assert name.startswith(f"{REPOSITORY}:{VERSION}-")


def test_unknown_version_is_refused(world: World) -> None:
    with pytest.raises(OperatorError, match="not in the catalogue"):
        asyncio.run(world.images().ensure("9.9", PYTHON))
    assert asyncio.run(world.images().finished("9.9", PYTHON)) is None
