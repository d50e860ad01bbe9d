import re

import pytest

from emulator.runtime_versions import shipped
from emulator.shipped import folder

REQUIREMENTS = folder("docker") / "runtimes"
FILES = sorted(
    {
        *(file for known in shipped().runtimes.values() for file in known.environments.values()),
        *(row.requirements for row in shipped().stand_ins),
    }
)


@pytest.mark.parametrize("version", ["1.15", "2.11"])
def test_built_versions_are_accepted(version: str) -> None:
    assert shipped().refusal(version, "3.7") is None
    assert shipped().runtimes[version].is_built


@pytest.mark.parametrize(
    ("version", "python", "words"),
    [
        ("1.14", "3.5", "Runtime version 1.14 with Python 3.5 is in the catalogue, but"),
        ("1.15", "2.7", "Runtime version 1.15 with Python 2.7 is in the catalogue, but"),
        ("1.15", "3.5", "Runtime version 1.15 had Python 2.7 and 3.7, not '3.5'"),
        ("2.11", "", "Runtime version 2.11 had Python 3.7, not ''"),
        ("1.3", "2.7", "Runtime version '1.3' is not in the catalogue"),
        ("", "", "Runtime version '' is not in the catalogue"),
    ],
)
def test_refusal_says_what_there_is(version: str, python: str, words: str) -> None:
    refusal = shipped().refusal(version, python)
    assert refusal is not None
    assert refusal.startswith(words)
    assert "1.15 with Python 3.7 and 2.11 with Python 3.7" in refusal


def test_python_rule_of_the_service_holds() -> None:
    for version, known in shipped().runtimes.items():
        major, minor = map(int, version.split("."))
        assert ("2.7" in known.python) == (major == 1)
        assert ("3.5" in known.python) == (major == 1 and 4 <= minor <= 14)
        assert ("3.7" in known.python) == ((major, minor) >= (1, 15))


def test_environments_belong_to_their_version() -> None:
    for known in shipped().runtimes.values():
        assert set(known.environments) <= set(known.python)
    assert {row.runtime for row in shipped().stand_ins} <= set(shipped().runtimes)


@pytest.mark.parametrize("name", FILES)
def test_requirements_are_pinned_with_hashes(name: str) -> None:
    text = (REQUIREMENTS / name).read_text()
    blocks = [block for block in re.split(r"(?m)^(?=\S)", text) if not block.startswith("#")]
    assert len(blocks) > 50
    for block in filter(None, blocks):
        assert re.match(r"[a-z0-9.-]+==\S+( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", block)
    assert "://" not in text


@pytest.mark.parametrize("name", FILES)
def test_requirements_bring_what_trainers_use(name: str) -> None:
    text = (REQUIREMENTS / name).read_text()
    names = set(re.findall(r"(?m)^([a-z0-9.-]+)==", text))
    assert names & {"tensorflow", "tensorflow-cpu"}
    assert names > {
        "numpy", "pandas", "scipy", "scikit-learn", "joblib", "google-cloud-storage",
        "google-api-python-client", "oauth2client", "cloudml-hypertune", "pip", "setuptools",
    }  # fmt: skip


def test_requirements_are_the_versions_of_the_catalogue() -> None:
    for known in shipped().runtimes.values():
        for name in known.environments.values():
            text = (REQUIREMENTS / name).read_text()
            assert f"scikit-learn=={known.scikit_learn} " in text
            assert f"xgboost=={known.xgboost} " in text
