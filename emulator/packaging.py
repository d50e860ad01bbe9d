"""From a package directory to the source archive that gcloud would upload."""

import copy
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

import uv

from emulator.errors import OperatorError
from emulator.package_index import PackageIndex

LEFT_OUT: Final = frozenset(
    {".git", ".hg", ".svn", ".tox", ".nox", ".cmle", "__pycache__", "node_modules", ".mypy_cache"}
)
_BESIDE: Final = ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README*", "LICENSE*", "LICENCE*")
_SETUPTOOLS: Final = "setuptools==69.5.1"
_EPOCH: Final = "315532800"  # 1980, the first year that a zip file can name
_SETUP: Final = """\
from setuptools import find_packages, setup

setup(name={name!r}, packages=find_packages(include=[{name!r}]))
"""
_METADATA: Final = "Metadata-Version: 1.0\nName: {name}\nVersion: 0.0.0\n"
# As gcloud tries them: the whole, then without what an odd setup.py may not know.
_BUILD: Final = ("build", "--build-base", "{base}", "--build-temp", "{base}")
_TRIES: Final = (("egg_info", *_BUILD), _BUILD, ())
_NOT_A_PACKAGE: Final = (
    "[{path}] is not a valid Python package because it does not contain an         "
    "`__init__.py` file. Please create one and try again. Also, please         "
    "ensure that --package-path refers to a local directory.\n"
)
_FAILED: Final = "Packaging of user Python code failed with message:\n\n{output}\n\n{advice}"
_WRITE_ONE: Final = (
    "Try manually writing a setup.py file at your package root and rerunning the command."
)
_DELETED: Final = "setup.py deleted the folder that it is built in."
_KEEP: Final = "Let setup.py delete nothing that it did not make."
_BUILD_IT: Final = (
    "Try manually building your Python code by running:\n"
    "  $ python setup.py sdist\n"
    "and providing the output via the `--packages` flag (for example, "
    "`--packages dist/package.tar.gz,dist/package2.whl)`"
)


def build(
    package_path: Path,
    out_dir: Path,
    *,
    python: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Path]:
    """Build the package in a copy; answer its archives in ``out_dir``, the same bytes each time.

    ``python`` has the setuptools to build with, best those of the job's runtime; else any
    that is found on this machine. ``environment`` is what a setup.py may read.
    """
    package = Path(os.path.abspath(package_path))  # noqa: PTH100 - links stay as they are written
    root = package.parent
    if not root.is_dir():
        raise OperatorError(f"Source directory [{root}] is not a valid directory.")
    if not (package / "__init__.py").is_file():
        raise OperatorError(_NOT_A_PACKAGE.format(path=package_path))
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cmle-package-") as folder:
        work = Path(folder)
        is_generated = not (root / "setup.py").is_file()
        _copy(root, work / "source", package.name if is_generated else None)
        if is_generated:
            setup = _SETUP.format(name=package.name)
            (work / "source" / "setup.py").write_text(setup, encoding="utf-8")
        built = _build(work, python, environment or {}, package.name if is_generated else "")
        return sorted(_settle(archive, out_dir) for archive in built)


def _copy(root: Path, target: Path, only: str | None) -> None:
    """Copy a source tree; for a generated setup.py what it can use of it."""
    try:
        if only is None:
            shutil.copytree(root, target, ignore=_ignored, ignore_dangling_symlinks=True)
            return
        shutil.copytree(root / only, target / only, ignore=_ignored, ignore_dangling_symlinks=True)
        for pattern in _BESIDE:
            for path in root.glob(pattern):
                if path.is_file():
                    shutil.copy(path, target)
    except (OSError, shutil.Error) as error:
        raise OperatorError(
            f"The package in {root} cannot be copied to a temporary folder: {error}."
        ) from error


def _ignored(folder: str, names: list[str]) -> set[str]:
    """What is no source: caches, environments, repositories, pipes, links in a circle."""
    above = {os.path.realpath(parent) for parent in (Path(folder), *Path(folder).parents)}
    found = set()
    for name in names:
        path = Path(folder, name)
        if path.is_dir():
            circle = path.is_symlink() and os.path.realpath(path) in above
            if circle or name in LEFT_OUT or (path / "pyvenv.cfg").is_file():
                found.add(name)
        elif not path.is_file() and not path.is_symlink():
            found.add(name)
    return found


def _build(
    work: Path, python: Path | None, environment: Mapping[str, str], generated: str
) -> list[Path]:
    """Run setup.py as gcloud does, in order, until one try ends well."""
    output = ""

    def ways() -> Iterator[list[str]]:
        """One after another: only who is needed is asked for setuptools."""
        return iter([[str(python)]]) if python else with_setuptools(environment)

    is_missing = next(ways(), None) is None
    if is_missing and generated:
        return [_write_archive(work, generated)]
    fetched = [_with_fetched_setuptools()] if is_missing else []
    for number, options in enumerate(_TRIES):
        for way in chain(ways(), fetched):
            dist, base = work / f"dist{number}", work / f"build{number}"
            words = [word.format(base=base) for word in options]
            argv = [*way, "setup.py", *words, "sdist", "--dist-dir", str(dist)]
            ended = _run(argv, work, environment)
            archives = sorted(path for path in dist.glob("*") if path.is_file())
            if ended.returncode == 0 and archives:
                return archives
            output = ended.stdout.strip()
            if not (work / "source" / "setup.py").is_file():
                output = f"{output}\n{_DELETED}".lstrip()
                raise OperatorError(_FAILED.format(output=output, advice=_KEEP))
    advice = _WRITE_ONE if generated else _BUILD_IT
    raise OperatorError(_FAILED.format(output=output, advice=advice))


def _run(
    argv: Sequence[str], work: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", **environment}
    env |= PackageIndex.of_user(environment).for_uv(environment)
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "SOURCE_DATE_EPOCH": _EPOCH}
    return subprocess.run(
        argv,
        cwd=work / "source",
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def with_setuptools(environment: Mapping[str, str]) -> Iterator[list[str]]:
    """The emulator's own interpreter and the machine's, as gcloud takes its own and python."""
    path = environment.get("PATH", os.defpath)
    for found in (sys.executable, shutil.which("python3", path=path)):
        if found and _has_setuptools(found, path):
            yield [found]


@cache
def _has_setuptools(python: str, path: str) -> bool:
    argv = [python, "-c", "import setuptools"]
    asked = subprocess.run(argv, capture_output=True, env={"PATH": path}, check=False)
    return asked.returncode == 0


def _with_fetched_setuptools() -> list[str]:
    """From Python 3.12 on none comes with the interpreter: uv fetches it."""
    asked = ["--python", sys.executable, "--with", _SETUPTOOLS]
    return [uv.find_uv_bin(), "run", "--quiet", "--no-project", *asked, "python"]


def _write_archive(work: Path, name: str) -> Path:
    """What setuptools would build from the generated setup.py, where there is no setuptools."""
    source = work / "source"
    files = [source / "setup.py", *sorted((source / name).glob("*.py"))]
    path = work / f"{name}-0.0.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file in files:
            archive.add(file, f"{name}-0.0.0/{file.relative_to(source)}")
        content = _METADATA.format(name=name).encode()
        info = tarfile.TarInfo(f"{name}-0.0.0/PKG-INFO")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return path


def _settle(archive: Path, out_dir: Path) -> Path:
    """Copy an archive without what differs from one build to the next: times, users, order."""
    target = out_dir / archive.name
    if archive.name.endswith((".tar.gz", ".tgz")):
        _settle_tar(archive, target)
    elif archive.suffix == ".zip":
        _settle_zip(archive, target)
    else:
        shutil.copyfile(archive, target)
    return target


def _settle_tar(archive: Path, target: Path) -> None:
    with (
        tarfile.open(archive) as old,
        target.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            executable = member.isdir() or member.mode & 0o100
            plain = copy.copy(member)  # TarInfo.replace is younger than Python 3.11.2
            plain.mtime, plain.mode = 0, 0o755 if executable else 0o644
            plain.uid, plain.gid, plain.uname, plain.gname = 0, 0, "", ""
            plain.pax_headers = {}
            new.addfile(plain, old.extractfile(member) if member.isreg() else None)


def _settle_zip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for info in sorted(old.infolist(), key=lambda info: info.filename):
            plain = zipfile.ZipInfo(info.filename)
            plain.external_attr = info.external_attr
            plain.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(plain, old.read(info))
