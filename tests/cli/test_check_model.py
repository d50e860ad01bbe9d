"""``cmle check-model``: exit codes, formats, gs:// and what may not be combined."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from emulator.wire import encode

if TYPE_CHECKING:
    from tests.cli.conftest import Cmle
    from tests.conftest import Keeper


def model(op: str = "Identity", inputs: int = 0) -> bytes:
    """A SavedModel with an output y; with an input of a fixed number of rows if wanted."""
    node = encode(1, b"y") + encode(2, op.encode())
    tensor = encode(1, b"y:0") + encode(2, 1)
    fixed = tensor + encode(3, encode(2, encode(1, 1)))
    entries = encode(2, encode(1, b"y") + encode(2, tensor))
    entries += inputs * encode(1, encode(1, b"x") + encode(2, fixed))
    signature = encode(1, b"serving_default") + encode(2, entries)
    graph = encode(1, encode(4, b"serve") + encode(5, b"2.11.0")) + encode(2, encode(1, node))
    return encode(2, graph + encode(5, signature))


def export(folder: Path, content: bytes) -> Path:
    (folder / "saved_model.pb").write_bytes(content)
    return folder


def test_exit_code_is_by_severity(cmle: "Cmle", tmp_path: Path) -> None:
    good = cmle("check-model", export(tmp_path, model()))
    assert good.code == 0
    assert "0 errors, 0 warnings, 0 notes" in good.out
    warned = export(tmp_path, model(inputs=1))
    assert cmle("check-model", warned).code == 0
    strict = cmle("check-model", warned, "--strict")
    assert strict.code == 3
    assert "warning[input-batch]" in strict.out
    assert cmle("check-model", warned, "--strict", "--ignore", "input-batch").code == 0
    failed = cmle("check-model", export(tmp_path, model("NewerThanAll")), "--strict")
    assert failed.code == 1
    assert "error[unknown-operation]" in failed.out


def test_formats_can_be_read(cmle: "Cmle", tmp_path: Path) -> None:
    folder = export(tmp_path, model("NewerThanAll"))

    def out(form: str) -> str:
        return cmle("check-model", folder, "--format", form).out

    assert json.loads(out("json"))["findings"][0]["rule"] == "unknown-operation"
    run = json.loads(out("sarif"))["runs"][0]
    assert run["tool"]["driver"]["name"] == "cmle check-model"
    assert run["results"][0]["ruleId"] == "unknown-operation"
    suite = ET.fromstring(out("junit"))[0]  # noqa: S314 - our own document
    assert (suite.get("name"), suite.get("failures")) == ("cmle check-model", "1")
    assert out("github").startswith("::error file=")


def test_rules_are_listed(cmle: "Cmle") -> None:
    result = cmle("check-model", "--list")
    assert result.code == 0
    assert "batch-differs (error)" in result.out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Name the export's folder"),
        (["x", "--update-golden"], "--update-golden needs --golden FILE"),
        (["x", "--latency-ms", "5"], "--latency-ms needs --instances FILE"),
        (["x", "--key", "id"], "--key needs --instances FILE"),
        (["x", "--ignore", "nonsense"], "There is no rule nonsense"),
    ],
    ids=["none", "golden", "latency", "key", "rule"],
)
def test_command_line_is_checked(cmle: "Cmle", arguments: list[str], text: str) -> None:
    result = cmle("check-model", *arguments)
    assert result.code == 2
    assert text in result.err


def test_missing_folders_are_one_sentence(cmle: "Cmle", tmp_path: Path) -> None:
    result = cmle("check-model", tmp_path / "nothing")
    assert result.code == 1
    assert result.err == f"ERROR: The export {tmp_path / 'nothing'} does not exist.\n"


def test_buckets_are_read_from_the_emulator(cmle: "Cmle", data_dir: Path, keeper: "Keeper") -> None:
    keeper.buckets["b"] = {
        "export/1/saved_model.pb": model(),
        "export/1/assets/large.txt": b"never fetched",
        "pickled/model.pkl": pickle.dumps({"model": 1}),
    }
    where = ("--data-dir", data_dir)
    assert cmle("check-model", "gs://b/export/1/", *where).code == 0
    wrong = cmle("check-model", "gs://b/export", *where)
    assert wrong.code == 1
    assert "fix: Deploy gs://b/export/1/ instead." in wrong.out
    assert "Deployment directory gs://b/export is expected" in wrong.out
    assert "error[not-an-estimator]" in cmle("check-model", "gs://b/pickled", *where).out
    assert "error[no-model]" in cmle("check-model", "gs://b/empty", *where).out
    asked = [target for _, target, _ in keeper.requests if "alt=media" in target]
    assert not any("large" in target for target in asked)


def test_other_frameworks_are_not_served_and_it_is_said(cmle: "Cmle", tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"model": 1}))
    (tmp_path / "instances.json").write_text("[1.0]\n")
    result = cmle("check-model", tmp_path, "--instances", tmp_path / "instances.json")
    assert result.code == 1
    assert "Serving: the emulator does not serve scikit-learn models yet." in result.out
    golden = ("--golden", tmp_path / "g.json", "--update-golden")
    refused = cmle("check-model", tmp_path, "--instances", tmp_path / "instances.json", *golden)
    assert refused.code == 1
    assert "is not written: the instances were not answered" in refused.err
    assert not (tmp_path / "g.json").exists()


def test_check_is_light(tmp_path: Path) -> None:
    """No server's code and no framework is loaded for files alone."""
    code = (
        "import sys\nfrom emulator.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check-model", str(export(tmp_path, model()))],
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"asyncio", "starlette", "uvicorn", "httpx", "httptools", "tensorflow", "numpy", "uv"}
    assert not heavy & set(eval(done.stderr))  # noqa: S307 - our own list
