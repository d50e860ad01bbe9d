import asyncio
import ensurepip
import io
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from emulator.cluster import Isolation
from emulator.commands import run
from emulator.datadir import DataDir
from emulator.errors import OperatorError
from emulator.isolation import choose
from emulator.package_index import PackageIndex
from emulator.packaging import build
from emulator.runners.process import ProcessRunner
from emulator.runtimes import Runtime, Runtimes
from emulator.staging import Folders, InstallationFailed, Installer, Package, Seen, Staged

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
URI = "gs://bucket/job/"
FORCED = "--upgrade --force-reinstall --no-deps"
BACKEND = """
import os, zipfile
NAME, FILES, REQUIRES = {name!r}, {files!r}, {requires!r}
INFO = NAME + "-1.0.dist-info/"
TAG = "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
META = "Metadata-Version: 2.1\\nName: " + NAME + "\\nVersion: 1.0\\n"
META += "".join("Requires-Dist: " + one + "\\n" for one in REQUIRES)

def build_wheel(folder, config_settings=None, metadata_directory=None):
    {before}
    name = NAME + "-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in [*FILES.items(), (INFO + "WHEEL", TAG), (INFO + "METADATA", META)]:
            archive.writestr(path, text)
        record = "".join(one + ",,\\n" for one in [*archive.namelist(), INFO + "RECORD"])
        archive.writestr(INFO + "RECORD", record)
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def sdist(
    folder: Path,
    name: str,
    files: dict[str, str],
    *,
    requires: tuple[str, ...] = (),
    before: str = "pass",
) -> Package:
    """A source archive that builds with no setuptools at all, so that no index is needed."""
    backend = BACKEND.format(name=name, files=files, requires=requires, before=before)
    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, text in (("backend.py", backend), ("pyproject.toml", PROJECT)):
            info = tarfile.TarInfo(f"{name}-1.0/{inside}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return Package(URI + path.name, path)


def wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    text = BACKEND.format(name=name, files=files, requires=(), before="pass")
    program = f"{text}\nbuild_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", program], check=True)
    return folder / f"{name}-1.0-py3-none-any.whl"


def bundled_pip() -> Path:
    places = [Path(ensurepip.__file__).parent / "_bundled"]
    if system := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        places.insert(0, Path(system))
    return next(path for place in places for path in sorted(place.glob("pip-*.whl")))


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """An environment with pip and one package, ``shared`` 1.0."""
    folder = tmp_path_factory.mktemp("runtime")
    shared = wheel(folder, "shared", {"shared.py": "FROM = 'environment'\n"})
    env, python = folder / "env", Path(sys.executable).resolve()
    commands = (
        ["venv", "--no-project", "--python", str(python), str(env)],
        ["pip", "install", "--offline", "--no-deps", "--python", str(env / "bin" / "python"),
         str(bundled_pip()), str(shared)],
    )  # fmt: skip
    for command in commands:
        outcome = asyncio.run(
            run([uv.find_uv_bin(), *command], env={"HOME": str(folder)}, cwd=folder)
        )
        assert outcome.status == 0, outcome.text
    version = ".".join(map(str, sys.version_info[:3]))
    return Runtime("2.11", HERE, version, "2.11.0", "test", str(env), (sys.base_prefix,))


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDir]:
    data = DataDir(tmp_path / "data")
    data.open()
    yield data
    data.close()


@pytest.fixture(params=["namespaces", "none"])
def isolation(request: pytest.FixtureRequest) -> Isolation:
    level: Isolation = request.param
    if level == "namespaces" and choose("auto") == "none":
        pytest.skip("this machine allows no namespaces")
    return level


class Bench:
    """An installer with a wheelhouse, and the lines that it reported."""

    def __init__(self, data: DataDir, runtime: Runtime, isolation: Isolation, links: Path) -> None:
        links.mkdir(exist_ok=True)
        self.data = data
        self.runtime = runtime
        self.isolation: Isolation = isolation
        self.links = links
        self.lines: list[tuple[str, str]] = []

    def report(self, message: str, severity: str = "INFO") -> None:
        self.lines.append((severity, message))

    async def install(self, *packages: Package) -> Staged:
        installer = Installer(
            ProcessRunner(self.data.root, self.data.instance),
            Folders(self.data.staged),
            isolation=self.isolation,
            index=PackageIndex.of_wheelhouse(self.links),
        )
        return await installer.install(packages, self.runtime, self.report)

    def texts(self, severity: str) -> list[str]:
        return [text for level, text in self.lines if level == severity]

    def run(self, *packages: Package) -> Staged:
        return asyncio.run(self.install(*packages))

    def staged(self) -> list[Path]:
        return [path for path in self.data.staged.iterdir() if path.is_dir()]


@pytest.fixture
def bench(data: DataDir, runtime: Runtime, isolation: Isolation, tmp_path: Path) -> Bench:
    return Bench(data, runtime, isolation, tmp_path / "links")


@pytest.fixture
def plain(data: DataDir, runtime: Runtime, tmp_path: Path) -> Bench:
    """Where the level makes no difference."""
    return Bench(data, runtime, "none", tmp_path / "links")


def imported(staged: Staged, program: str) -> str:
    (library, *_) = staged.seen("none").site_packages
    program = f"import site, sys; sys.path.insert(0, {library!r}); {program}"
    argv = [staged.runtime.python, "-c", program]
    return subprocess.run(argv, capture_output=True, text=True, check=True, env={}).stdout.strip()


def snapshot(folder: str) -> set[tuple[str, int]]:
    """All files but Python's own caches."""
    files = [path for path in Path(folder).rglob("*") if "__pycache__" not in path.parts]
    return {(str(path), path.lstat().st_mtime_ns) for path in files if not path.is_dir()}


def test_package_and_what_it_lacks_are_installed(bench: Bench, tmp_path: Path) -> None:
    wheel(bench.links, "lacking", {"lacking.py": ""})
    before = snapshot(bench.runtime.env_dir)
    package = sdist(
        tmp_path, "trainer", {"trainer/task.py": "X = 7"}, requires=("lacking", "shared")
    )
    staged = bench.run(package)
    program = "import lacking, shared, trainer.task as t; print(t.X, shared.FROM)"
    assert imported(staged, program) == "7 environment"
    assert snapshot(bench.runtime.env_dir) == before
    assert bench.texts("ERROR") == []
    own = [text for text in bench.texts("INFO") if text.startswith(("Installing the", "Running"))]
    assert own == [
        "Installing the package: gs://bucket/job/trainer-1.0.tar.gz",
        f"Running command: pip3 install --user {FORCED} trainer-1.0.tar.gz",
        "Running command: pip3 install --user trainer-1.0.tar.gz",
    ]
    assert any("Requirement already satisfied: shared" in text for text in bench.texts("INFO"))


def test_own_version_hides_the_environment_s(bench: Bench, tmp_path: Path) -> None:
    before = snapshot(bench.runtime.env_dir)
    staged = bench.run(sdist(tmp_path, "shared", {"shared.py": "FROM = 'job'"}))
    assert imported(staged, "import shared; print(shared.FROM)") == "job"
    assert snapshot(bench.runtime.env_dir) == before


def test_second_time_is_answered_without_pip(plain: Bench, tmp_path: Path) -> None:
    package = sdist(tmp_path, "trainer", {"trainer.py": ""})
    first = plain.run(package)
    plain.lines.clear()
    assert plain.run(package) == first
    assert [text.split(":")[0] for text in plain.texts("INFO")] == [
        "Installing the package",
        "Already installed",
    ]


def test_other_contents_are_another_folder(plain: Bench, tmp_path: Path) -> None:
    first = plain.run(sdist(tmp_path, "trainer", {"trainer.py": "X = 1"}))
    second = plain.run(sdist(tmp_path, "trainer", {"trainer.py": "X = 2"}))
    printed = [imported(one, "import trainer; print(trainer.X)") for one in (first, second)]
    assert printed == ["1", "2"]


def test_later_package_overwrites_an_earlier_one(plain: Bench, tmp_path: Path) -> None:
    packages = [sdist(tmp_path, name, {"both.py": f"X = {name!r}"}) for name in ("one", "two")]
    assert imported(plain.run(*packages), "import both; print(both.X)") == "two"


def test_what_was_installed_is_told_by_name(plain: Bench, tmp_path: Path) -> None:
    source = "def f():\n    from os.path import join\n    import system\nX = 'import json'\n"
    package = sdist(tmp_path, "My_own.Trainer", {"mine.py": source}, requires=("shared",))
    staged = plain.run(package)
    assert staged.distributions() == ("my-own-trainer",)
    assert [name for name in ("os", "sys", "json") if staged.imports(name)] == ["os"]
    assert plain.run().distributions() == ()
    assert not plain.run().imports("os")


def test_no_packages_need_no_folder(plain: Bench) -> None:
    staged = plain.run()
    assert plain.lines == [("INFO", "No packages to install.")]
    assert staged.seen("namespaces") == staged.seen("none") == Seen()


def test_missing_dependency_fails_twice(bench: Bench, tmp_path: Path) -> None:
    failure = (
        "Command '['pip3', 'install', '--user', 'trainer-1.0.tar.gz']' "
        "returned non-zero exit status 1"
    )
    package = sdist(tmp_path, "trainer", {"trainer.py": ""}, requires=("not-to-be-had",))
    with pytest.raises(InstallationFailed) as caught:
        bench.run(package)
    assert str(caught.value) == bench.lines[-1][1] == failure
    warning = f"Installation of package failed on try 1/2: {failure}\nRetrying ..."
    assert warning in bench.texts("WARNING")
    assert any(
        "No matching distribution found for not-to-be-had" in t for t in bench.texts("ERROR")
    )
    assert bench.staged() == []
    assert list(bench.data.sites.iterdir()) == []


def test_failures_are_not_kept(plain: Bench, tmp_path: Path) -> None:
    package = sdist(tmp_path, "trainer", {"trainer.py": "X = 3"}, requires=("late",))
    with pytest.raises(InstallationFailed):
        plain.run(package)
    wheel(plain.links, "late", {"late.py": ""})
    assert imported(plain.run(package), "import late, trainer; print(trainer.X)") == "3"


def test_package_that_does_not_build_fails(plain: Bench, tmp_path: Path) -> None:
    package = sdist(tmp_path, "trainer", {}, before="raise SystemExit('cannot build this')")
    with pytest.raises(InstallationFailed) as caught:
        plain.run(package)
    assert "--no-deps" in str(caught.value)
    assert any("cannot build this" in text for _, text in plain.lines)


@pytest.mark.parametrize("content", [b"", b"no archive at all"])
def test_what_is_no_package_fails(plain: Bench, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trainer-1.0.tar.gz"
    path.write_bytes(content)
    with pytest.raises(InstallationFailed):
        plain.run(Package(URI + path.name, path))
    assert plain.texts("ERROR") != []


def test_archive_that_leads_outside_is_not_unpacked(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "trainer-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../../../evil"))
    with pytest.raises(InstallationFailed):
        bench.run(Package(URI + path.name, path))
    assert "leads outside" in bench.texts("ERROR")[0]
    assert list(tmp_path.rglob("evil")) == []


def test_wheels_are_installed_as_they_are(bench: Bench, tmp_path: Path) -> None:
    path = wheel(tmp_path, "trainer", {"trainer.py": "X = 9"})
    staged = bench.run(Package(URI + path.name, path))
    assert imported(staged, "import trainer; print(trainer.X)") == "9"


def test_programs_are_importable_and_on_path(plain: Bench, tmp_path: Path) -> None:
    files = {"trainer.py": "", "trainer-1.0.data/scripts/predictor.py": "#!python\nX = 1\n"}
    staged = plain.run(sdist(tmp_path, "trainer", files))
    seen = staged.seen("none")
    assert seen.programs == (f"{staged.root}/bin",)
    assert seen.programs[0] in seen.site_packages
    assert Path(seen.programs[0], "predictor.py").is_file()


def test_sandbox_shows_packages_as_the_service_does(plain: Bench, tmp_path: Path) -> None:
    staged = plain.run(sdist(tmp_path, "trainer", {"trainer.py": ""}))
    seen = staged.seen("namespaces")
    assert seen.site_packages == (f"/root/.local/lib/python{HERE}/site-packages",)
    assert [(bind.source, bind.target) for bind in seen.binds] == [
        (f"{staged.root}/lib", "/root/.local/lib")
    ]


def test_installed_files_are_read_only(plain: Bench, tmp_path: Path) -> None:
    staged = plain.run(sdist(tmp_path, "trainer", {"trainer.py": ""}))
    modes = {path.stat().st_mode & 0o222 for path in Path(staged.root).rglob("*") if path.is_file()}
    assert modes == {0}


def test_two_at_once_install_once(plain: Bench, tmp_path: Path) -> None:
    package = sdist(tmp_path, "trainer", {"trainer.py": ""})

    async def both() -> tuple[Staged, Staged]:
        return await asyncio.gather(plain.install(package), plain.install(package))

    first, second = asyncio.run(both())
    assert first == second
    texts = plain.texts("INFO")
    assert texts.count("Running command: pip3 install --user trainer-1.0.tar.gz") == 1
    assert "Another job is installing the same packages; waiting for it." in texts


def test_cancelled_installation_leaves_nothing(plain: Bench, tmp_path: Path) -> None:
    package = sdist(tmp_path, "trainer", {}, before="import time; time.sleep(600)")

    async def cancel() -> None:
        task = asyncio.create_task(plain.install(package))
        async with asyncio.timeout(60):
            while not any("Preparing metadata" in text for _, text in plain.lines):
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(cancel())
    assert plain.staged() == []
    assert list(plain.data.sites.iterdir()) == []


def test_uri_without_a_file_is_refused(plain: Bench, tmp_path: Path) -> None:
    with pytest.raises(InstallationFailed, match="does not name a file"):
        plain.run(Package("gs://bucket/..", tmp_path / "x"))


SETUP = """\
from setuptools import find_packages, setup

setup(name="trainer", version="0.1", packages=find_packages(), install_requires=["tensorflow"])
"""


@pytest.mark.tensorflow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", ["1.15", "2.11"])
def test_built_package_is_installed_in_a_real_runtime(
    data: DataDir, isolation: Isolation, tmp_path: Path, version: str
) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "cmle"
    index = PackageIndex.of_user(os.environ)
    runtimes = Runtimes(cache, index=index, environment=os.environ)
    try:
        runtime = asyncio.run(runtimes.ensure(version, "3.7"))
    except OperatorError as error:
        if "needs Python 3.7" not in str(error):
            raise
        pytest.skip("no Python 3.7 can be had on this machine")
    (tmp_path / "code" / "trainer").mkdir(parents=True)
    (tmp_path / "code" / "trainer" / "__init__.py").write_text("X = 4")
    (tmp_path / "code" / "setup.py").write_text(SETUP)
    built = build(tmp_path / "code" / "trainer", tmp_path / "out", python=Path(runtime.python))
    bench = Bench(data, runtime, isolation, tmp_path / "links")
    before = snapshot(runtime.env_dir)
    staged = bench.run(*(Package(URI + path.name, path) for path in built))
    assert imported(staged, "import trainer; print(trainer.X)") == "4"
    assert any("already satisfied: tensorflow" in text for text in bench.texts("INFO"))
    assert snapshot(runtime.env_dir) == before
