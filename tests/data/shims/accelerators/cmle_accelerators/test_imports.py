"""The hook behind ``import tensorflow``: it waits, acts once, and is absent without a variable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.shipped import ACCELERATORS, CAPTURE

TENSORFLOW = "__version__ = '{}'\nvalue = 1\n"  # a module of that name; nothing else of it


def run(code: str, folder: Path, **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{CAPTURE}:{ACCELERATORS}:{folder}", **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]


def loaded(tmp_path: Path, **variables: str) -> list[str]:
    code = "import json, sys; print(json.dumps([m for m in sys.modules if 'cmle_acc' in m]))"
    found: list[str] = json.loads(run(code, tmp_path, **variables)[0])
    return found


def test_nothing_is_loaded_without_a_variable(tmp_path: Path) -> None:
    assert loaded(tmp_path) == []


def test_tensorflow_is_not_imported_for_it(tmp_path: Path) -> None:
    names = loaded(tmp_path, CMLE_TPU_STUB="TPU_V2:8")
    assert "cmle_accelerators" in names
    assert not [name for name in names if name.endswith((".tpu", ".gpu"))]


def with_tensorflow(tmp_path: Path, version: str, kind: str) -> list[str]:
    (tmp_path / "tensorflow.py").write_text(TENSORFLOW.format(version))
    code = (
        "import logging\n"
        "logging.basicConfig(format='%(levelname)s %(name)s %(message)s')\n"
        "import tensorflow\n"
        "print(tensorflow.value)"
    )
    return run(code, tmp_path, **{f"CMLE_{kind}_STUB": "X:1"})


@pytest.mark.parametrize("kind", ["TPU", "GPU"])
@pytest.mark.parametrize("version", ["1.15.5", "2.11.0"])
def test_a_stub_that_does_not_fit_is_said_and_left_out(
    tmp_path: Path, version: str, kind: str
) -> None:
    lines = with_tensorflow(tmp_path, version, kind)
    assert lines[0] == "1", "the program goes on"
    said = f"ERROR cmle.{kind.lower()} The {kind} stub does not fit this TensorFlow"
    assert any(line.startswith(said) for line in lines)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("TPU", "1.14.0"),
        ("TPU", "2.3.4"),
        ("TPU", "2.12.1"),
        ("TPU", "2.99.0-rc1"),
        ("GPU", "1.14.0"),
        ("GPU", "2.0.0"),
        ("GPU", "9.9"),
    ],
)
def test_versions_that_nobody_ran_are_said_and_left_alone(
    tmp_path: Path, version: str, kind: str
) -> None:
    number, said = with_tensorflow(tmp_path, version, kind)
    assert number == "1", "the program goes on"
    assert said.startswith(
        f"ERROR cmle.{kind.lower()} The {kind} stub is for TensorFlow 1.15 and 2."
    )
    assert f"this is {version}, and it was left out" in said


def test_an_action_waits_for_the_module_and_acts_once(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("import sys\nif sys.argv[1:]: raise ImportError('not yet')\n")
    code = """
import sys
from cmle_accelerators import imports
imports.after("late", lambda: print("acted"))
sys.argv.append("fail")
try:
    import late
except ImportError as error:
    print(error)
del sys.argv[1:]
import late
import importlib
importlib.reload(late)
imports.after("late", lambda: print("at once"))
"""
    assert run(code, tmp_path) == ["not yet", "acted", "at once"]
