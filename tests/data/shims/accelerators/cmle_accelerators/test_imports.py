"""The hook behind ``import tensorflow``: it waits, acts once, and is absent without a variable."""

import json
import subprocess
import sys
from pathlib import Path

from emulator.shipped import ACCELERATORS, CAPTURE

TENSORFLOW = "__version__ = '9.9'\nvalue = 1\n"  # a module of that name; nothing else of it


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


def test_a_stub_that_does_not_fit_is_said_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text(TENSORFLOW)
    lines = run("import tensorflow; print(tensorflow.value)", tmp_path, CMLE_GPU_STUB="X:1")
    assert lines[0] == "1", "the program goes on"
    assert any("The GPU stub does not fit this TensorFlow" in line for line in lines)


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
