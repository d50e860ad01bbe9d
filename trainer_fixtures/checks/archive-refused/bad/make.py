"""Makes the archive that is checked."""

import io
import tarfile
from pathlib import Path

NAME = "x-1.0"


def make(folder: Path) -> Path:
    path = folder / "x-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        setup = b"from setuptools import setup\nsetup(name='x', version='1.0', packages=['trainer'])\n"
        files = {"setup.py": setup, "trainer/__init__.py": b"", "trainer/task.py": b"print(1)\n"}
        for name, content in files.items():
            add(archive, f"{NAME}/{name}", content)
        add(archive, "../../escaped.txt", b"out")
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
