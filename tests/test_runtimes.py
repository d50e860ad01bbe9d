import asyncio
import ensurepip
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from emulator.errors import OperatorError
from emulator.package_index import PackageIndex
from emulator.progress import Step
from emulator.runtime_versions import RuntimeVersion, RuntimeVersions, StandIn
from emulator.runtimes import COMPLETE, Policy, Runtime, Runtimes

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    info = f"{name}-{version}.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in (*files.items(), (f"{info}/WHEEL", tag), (f"{info}/METADATA", metadata)):
            archive.writestr(path, text)
        names = [*archive.namelist(), f"{info}/RECORD"]
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))


def bundled_pip() -> Path:
    """The pip that comes with this Python, so that tests need no index."""
    places = [Path(ensurepip.__file__).parent / "_bundled"]
    if system := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        places.insert(0, Path(system))
    found = [path for place in places for path in sorted(place.glob("pip-*.whl"))]
    return found[0]


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    shutil.copy(bundled_pip(), folder)
    wheel(
        folder, "tensorflow_cpu", "2.11.0", {"tensorflow/__init__.py": "__version__ = '2.11.0'\n"}
    )
    wheel(folder, "extra", "1.0", {"extra.py": ""})
    return folder


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with a Python on its PATH, requirements, and nothing else."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / f"python{HERE}").symlink_to(Path(sys.executable).resolve())
    (tmp_path / "requirements").mkdir()
    pip = bundled_pip().name.split("-")[1]
    text = f"# A comment\ntensorflow-cpu==2.11.0\npip=={pip}\n"
    (tmp_path / "requirements" / "t.txt").write_text(text)
    return tmp_path


def versions(python: str = HERE, stand_in: str = HERE) -> RuntimeVersions:
    row = StandIn("2.11", ("9.98", stand_in), "2.11.0", "t.txt", {"A": "1"})
    known = RuntimeVersion("2023", "2.11.0", (python,), environments={python: "t.txt"})
    other = RuntimeVersion("2019", "1.15.5", ("9.99",), environments={"9.99": "t.txt"})
    return RuntimeVersions({"2.11": known, "1.15": other}, (row,))


def runtimes(
    world: Path,
    wheelhouse: Path,
    catalogue: RuntimeVersions | None = None,
    policy: Policy = "exact",
) -> Runtimes:
    environment = {
        "PATH": f"{world}/bin:{os.defpath}",
        "HOME": str(world),
        "UV_CACHE_DIR": str(world / "uv-cache"),
    }
    return Runtimes(
        world / "cache",
        index=PackageIndex.of_wheelhouse(wheelhouse),
        environment=environment,
        policy=policy,
        versions=catalogue or versions(),
        requirements=world / "requirements",
    )


def environments(world: Path) -> list[Path]:
    return [path for path in (world / "cache" / "runtimes").iterdir() if path.is_dir()]


def output(runtime: Runtime, program: str) -> str:
    argv = [runtime.python, "-c", program]
    return subprocess.run(argv, capture_output=True, text=True, check=True, env={}).stdout.strip()


def test_environment_is_made_and_found_again(world: Path, wheelhouse: Path) -> None:
    runtime = asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    assert output(runtime, "import tensorflow; print(tensorflow.__version__)") == "2.11.0"
    assert (runtime.version, runtime.python_version, runtime.warning) == ("2.11", HERE, "")
    assert Path(runtime.env_dir, runtime.library, "tensorflow").is_dir()
    assert runtime.index_hosts[0].endswith(":443")
    shutil.rmtree(world / "bin")  # from now on nothing could be made
    again = runtimes(world, world / "none")
    assert again.finished("2.11", HERE) == runtime
    assert asyncio.run(again.ensure("2.11", HERE)) == runtime


def test_tensorflow_cpu_answers_to_tensorflow(world: Path, wheelhouse: Path) -> None:
    runtime = asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    program = (
        "import importlib.metadata as m; print(m.version('tensorflow'), m.requires('tensorflow'))"
    )
    assert output(runtime, program) == "2.11.0 ['tensorflow-cpu']"


def test_python_outside_the_system_is_to_be_bound(world: Path, wheelhouse: Path) -> None:
    runtime = asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    prefix = output(runtime, "import sys; print(sys.base_prefix)")
    assert prefix in runtime.prefixes or prefix.startswith("/usr")
    assert runtime.binds[-1].source == runtime.env_dir
    assert not any(bind.writable for bind in runtime.binds)


def test_two_at_once_make_one(world: Path, wheelhouse: Path) -> None:
    texts: list[str] = []

    async def both() -> list[Runtime]:
        makers = [runtimes(world, wheelhouse) for _ in range(2)]
        say = lambda step: texts.append(step.text)  # noqa: E731 - one line
        return await asyncio.gather(*(maker.ensure("2.11", HERE, say) for maker in makers))

    first, second = asyncio.run(both())
    assert first == second
    assert sum(text.startswith("making a virtual environment") for text in texts) == 1
    assert texts.count("another process is making this environment; waiting for it") == 1


def test_half_made_environment_is_made_anew(world: Path, wheelhouse: Path) -> None:
    runtime = asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    env_dir = Path(runtime.env_dir)
    (env_dir / COMPLETE).unlink()
    (env_dir / "junk").touch()
    assert asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE)) == runtime
    assert not (env_dir / "junk").exists()


def test_environment_without_its_python_is_made_anew(world: Path, wheelhouse: Path) -> None:
    runtime = asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    python = Path(runtime.python)
    python.unlink()
    python.symlink_to(world / "removed")
    assert runtimes(world, wheelhouse).finished("2.11", HERE) is None
    asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    assert output(runtime, "print(1)") == "1"


def test_other_requirements_are_another_environment(world: Path, wheelhouse: Path) -> None:
    asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    with (world / "requirements" / "t.txt").open("a") as file:
        file.write("# only a comment\n")
    asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    assert len(environments(world)) == 1
    with (world / "requirements" / "t.txt").open("a") as file:
        file.write("extra==1.0\n")
    runtime = asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    assert output(runtime, "import extra; print(1)") == "1"
    assert len(environments(world)) == 2


def test_missing_package_leaves_nothing_behind(world: Path, wheelhouse: Path) -> None:
    with (world / "requirements" / "t.txt").open("a") as file:
        file.write("absent-package==1.0\n")
    with pytest.raises(OperatorError) as caught:
        asyncio.run(runtimes(world, wheelhouse).ensure("2.11", HERE))
    assert "absent-package" in str(caught.value)
    assert "--wheelhouse DIR" in str(caught.value)
    assert environments(world) == []


def test_broken_tensorflow_is_no_environment(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    shutil.copy(bundled_pip(), folder)
    wheel(folder, "tensorflow_cpu", "2.11.0", {"tensorflow/__init__.py": "raise OSError('no AVX')"})
    with pytest.raises(OperatorError, match="no AVX"):
        asyncio.run(runtimes(world, folder).ensure("2.11", HERE))
    assert environments(world) == []


def test_cancelled_making_leaves_nothing_behind(world: Path, wheelhouse: Path) -> None:
    async def cancel_early() -> None:
        begun = asyncio.Event()

        def say(step: Step) -> None:
            if step.text.startswith("Installed"):
                begun.set()

        task = asyncio.create_task(runtimes(world, wheelhouse).ensure("2.11", HERE, say))
        await asyncio.wait_for(begun.wait(), 60)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(cancel_early())
    assert environments(world) == []


def test_version_of_the_catalogue_alone_is_refused(world: Path, wheelhouse: Path) -> None:
    with pytest.raises(OperatorError, match="not in the catalogue"):
        asyncio.run(runtimes(world, wheelhouse).ensure("1.3", HERE))
    assert runtimes(world, wheelhouse).finished("1.3", HERE) is None


def test_exact_policy_names_the_ways(world: Path, wheelhouse: Path) -> None:
    made = runtimes(world, wheelhouse, versions(python="9.99"))
    with pytest.raises(OperatorError) as caught:
        asyncio.run(made.ensure("2.11", "9.99"))
    text = str(caught.value)
    assert text.startswith("Runtime version 2.11 needs Python 9.99.")
    assert f"--runtime-policy nearest: a newer TensorFlow on Python 9.98, {HERE}" in text


def test_nearest_policy_stands_in_with_a_warning(world: Path, wheelhouse: Path) -> None:
    made = runtimes(world, wheelhouse, versions(python="9.99"), "nearest")
    runtime = asyncio.run(made.ensure("2.11", "9.99"))
    assert runtime.python_version == "9.99"
    assert runtime.actual_python.startswith(HERE)
    assert runtime.variables == {"A": "1"}
    assert f"is stood in for by TensorFlow 2.11.0 on Python {HERE}" in runtime.warning
    assert asyncio.run(made.ensure("2.11", "9.99")) == runtime


def test_nearest_policy_prefers_the_exact_python(world: Path, wheelhouse: Path) -> None:
    runtime = asyncio.run(runtimes(world, wheelhouse, policy="nearest").ensure("2.11", HERE))
    assert runtime.warning == ""


def test_nothing_stands_in_for_1_15(world: Path, wheelhouse: Path) -> None:
    made = runtimes(world, wheelhouse, versions(python="9.99"), "nearest")
    with pytest.raises(OperatorError, match=r"no newer TensorFlow can stand in for 1\.15"):
        asyncio.run(made.ensure("1.15", "9.99"))


IMPORTS = """
import googleapiclient.discovery, hypertune, joblib, numpy, oauth2client.client, pandas
import google.cloud.storage, scipy, sklearn, tensorflow
print(tensorflow.__version__, sklearn.__version__)
"""


@pytest.mark.tensorflow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("version", "printed"), [("1.15", "1.15.5 0.20.4"), ("2.11", "2.11.0 1.0.2")]
)
def test_service_s_libraries_are_there(version: str, printed: str) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "cmle"
    index = PackageIndex.of_user(os.environ)
    made = Runtimes(cache, index=index, environment=os.environ)
    try:
        runtime = asyncio.run(made.ensure(version, "3.7"))
    except OperatorError as error:
        if "needs Python 3.7" not in str(error):
            raise
        pytest.skip("no Python 3.7 can be had on this machine")
    assert output(runtime, IMPORTS) == printed
