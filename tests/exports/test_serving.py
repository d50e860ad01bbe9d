"""Real exports with real defects: what the files tell is what the runtime does."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from emulator.exports.check import ask, examine
from emulator.exports.evidence import Evidence, Wishes
from emulator.exports.folders import LocalFolder
from emulator.exports.gather import Question
from emulator.exports.serving import Session, Settings
from emulator.exports.verdict import judge
from emulator.findings import Severity
from emulator.isolation import choose
from emulator.package_index import PackageIndex
from emulator.runtimes import Runtimes
from emulator.skew import Recorded

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("CMLE_CACHE_DIR", "~/.cache/cmle")).expanduser()
ROW: Final = [[1.0, 2.0, 3.0]]
IMAGE: Final = [[[[1, 2, 3]] * 2] * 2]
KEYED: Final = [{"x": 0.0, "key": "a", "row": 3}, {"x": 1.0, "key": "b", "row": 4}]
LSTM: Final = [[[1.0, 2.0]] * 3, [[0.5, 0.0]] * 3]
PLANE: Final = [[[[1.0]] * 4] * 4]

Case = tuple[str, list[Any], set[str], set[str]]
# export, instances, what is found of the files, what more is found of the answers
OF_BOTH: Final[list[Case]] = [
    ("dense", ROW, set(), set()),
    ("no_index", ROW, {"missing-variables"}, {"does-not-load"}),
    ("no_shard", ROW, {"missing-variables"}, {"does-not-load"}),
    ("short_shard", ROW, {"broken-variables"}, {"does-not-load"}),
    ("broken_index", ROW, {"broken-variables"}, {"does-not-load"}),
    ("python", [1.0], {"python-operation"}, {"instance-refused"}),
    ("vocabulary", ["a", "z"], set(), set()),
    ("no_asset", ["a"], {"missing-asset"}, {"does-not-load"}),
    ("outside", ["a"], {"outside-file"}, {"does-not-load"}),
    ("example", ["no example"], {"example-input"}, {"instance-refused"}),
    ("image", IMAGE, {"text-output"}, {"instance-refused"}),
    ("normalised", [1.0, 3.0], set(), {"batch-differs"}),
    ("unfinished", KEYED, set(), {"not-a-number", "key-lost"}),
]
BRIEF_ON_NEW: Final = {"dense", "no_index", "outside", "python", "unfinished"}
OF_NEW: Final[list[Case]] = [
    ("keras", LSTM, {"keras-code"}, set()),
    ("late_operation", [[1.0, 2.0]], set(), set()),
    ("late_attribute", PLANE, set(), set()),
]
OF_NEW_ON_OLD: Final[list[Case]] = [
    ("keras", LSTM, {"keras-code"}, set()),
    ("example", ["x"], {"example-input", "unknown-operation"}, {"does-not-load"}),
    ("late_operation", [[1.0, 2.0]], {"unknown-operation"}, {"does-not-load"}),
    ("late_attribute", PLANE, {"newer-attribute"}, {"does-not-load"}),
    ("late_attribute_in_function", PLANE, {"newer-attribute"}, {"does-not-load"}),
    ("plain_csv", ["1.0"], set(), set()),
]


def settings() -> Settings:
    environment = dict(os.environ)
    return Settings(
        cache_dir=CACHE,
        environment=environment,
        isolation=choose("auto"),
        index=PackageIndex.of_user(environment),
    )


Exports = Callable[[str], Path]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """The folder of what a runtime version exported, written when it is first asked for."""
    folders: dict[str, Path] = {}

    def written(version: str) -> Path:
        if version not in folders:
            index = PackageIndex.of_user(os.environ)
            runtimes = Runtimes(CACHE, index=index, environment=os.environ)
            runtime = asyncio.run(runtimes.ensure(version, "3.7"))
            folders[version] = tmp_path_factory.mktemp(version)
            subprocess.run(
                [runtime.python, "-I", str(HERE / "export_defects.py"), str(folders[version])],
                check=True,
                capture_output=True,
                timeout=600,
            )
        return folders[version]

    return written


def served(folder: Path, version: str, instances: list[Any], **wishes: Any) -> Evidence:
    session = Session(instances=instances, wishes=Wishes(**wishes))
    return ask(LocalFolder(folder), Question(version=version), session, settings(), lambda _: None)


CASES: Final = [
    *[("1.15", "1.15", case) for case in OF_BOTH],
    *[("2.11", "2.11", case) for case in [*OF_BOTH, *OF_NEW]],
    *[("2.11", "1.15", case) for case in OF_NEW_ON_OLD],
]


def parameter(exporter: str, version: str, case: Case) -> Any:
    """The second runtime repeats, in every run of the tests, one case of each kind of end."""
    is_repeated = exporter == version == "2.11" and case not in OF_NEW
    marks = [pytest.mark.soak] if is_repeated and case[0] not in BRIEF_ON_NEW else []
    return pytest.param(
        exporter, version, case, marks=marks, id=f"{case[0]}-{exporter}-on-{version}"
    )


@pytest.mark.parametrize(("exporter", "version", "case"), [parameter(*it) for it in CASES])
def test_files_tell_what_the_runtime_does(
    exports: Exports, exporter: str, version: str, case: Case
) -> None:
    name, instances, of_files, of_answers = case
    folder = exports(exporter) / name
    keys = ("key", "row") if name == "unfinished" else ()
    report = judge(served(folder, version, instances, keys=keys))
    found = {finding.rule for finding in report.findings}
    if exporter != version:
        of_files = of_files | {"newer-tensorflow"}
    assert found == of_files | of_answers, [finding.message for finding in report.findings]
    static = examine(LocalFolder(folder), Question(version=version))
    assert {finding.rule for finding in static.findings} == of_files


def test_quoted_texts_are_the_runtimes_own(exports: Exports) -> None:
    """What is said of the files stands word for word in what the server then says."""
    for name in ("no_index", "no_asset", "no_shard"):
        findings = judge(served(exports("1.15") / name, "1.15", ROW)).findings
        (guess,) = [it.cloud for it in findings if it.rule.startswith("missing-")]
        (real,) = [it.cloud for it in findings if it.rule == "does-not-load"]
        core = guess.partition("tags: ['serve']\n")[2].removesuffix(' (Error code: 0)"')
        assert core
        assert core in real


def test_recorded_predictions_are_compared(exports: Exports) -> None:
    recorded = (Recorded([1.0, 2.0, 3.0], 6.0), Recorded([1.0, 1.0, 1.0], 3.5))
    evidence = served(exports("1.15") / "dense", "1.15", ROW, recorded=recorded, latency_s=30.0)
    (finding,) = judge(evidence).findings
    assert finding.rule == "train-serve-skew"
    assert "1 of 2 rows differ" in finding.message
    assert evidence.serving
    assert len(evidence.serving.singles) == 21


def test_what_would_not_be_deployed_is_not_served(exports: Exports) -> None:
    evidence = served(exports("1.15"), "1.15", ROW)
    assert evidence.serving is None
    report = judge(evidence)
    assert report.count(Severity.ERROR) == 1
    assert report.not_checked == (
        "Serving: the service would have refused to deploy it before that.",
    )


def test_answers_are_documents(exports: Exports) -> None:
    evidence = served(exports("1.15") / "vocabulary", "1.15", ["a", "b"])
    assert evidence.serving
    assert evidence.serving.batch
    assert json.dumps(evidence.serving.batch.document) == '{"predictions": [{"y": 0}, {"y": 1}]}'
    assert len(evidence.serving.base64) == 2
    assert evidence.serving.wrong
    assert "Expected tensor name: x" in evidence.serving.wrong.error
