"""The recipes for CI: they fit the published schemas, and what their steps run does its work."""

import importlib.resources
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "guides" / "pre-submit-ci.md").read_text()
README = (ROOT / "README.md").read_text()
PRINTS = ROOT / "trainer_fixtures" / "prints"
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PIP = '#!/bin/sh\ntest "$1" = install\n'  # what it would install is what is under test


def files(page: str) -> dict[str, str]:
    return dict(FILE.findall(page))


WORKFLOW = ".github/workflows/check.yml"


def schema(name: str) -> Any:
    folder = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    return jsonschema.Draft7Validator(json.loads((folder / f"{name}.json").read_text()))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("github-workflows", files(README)[WORKFLOW]),
        ("github-workflows", files(GUIDE)[WORKFLOW]),
        ("cloudbuild", files(GUIDE)["cloudbuild.yaml"]),
    ],
)
def test_recipes_fit_their_schema(name: str, text: str) -> None:
    document = yaml.safe_load(text)
    document = {("on" if key is True else key): value for key, value in document.items()}
    schema(name).validate(document)
    steps = "jobs" if name == "github-workflows" else "steps"
    with pytest.raises(jsonschema.ValidationError):
        schema(name).validate({**document, steps: "none"})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout with a trainer and what the guide says to write beside it."""
    folder = tmp_path / "repository"
    shutil.copytree(PRINTS, folder)
    for name, text in files(GUIDE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def break_it(repository: Path) -> None:
    task = repository / "trainer" / "task.py"
    task.write_text(f"{task.read_text()}\nDATA = '/home/ana/rides.csv'\n")


def step(repository: Path, script: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run a step as GitHub does: bash, with the variables that it sets."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "pip").write_text(PIP)
    (tools / "pip").chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")},
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(repository),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_ENV": str(tmp_path / "env"),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def scripts(page: str) -> str:
    """What all steps of the page's workflow run, one after another."""
    (job,) = yaml.safe_load(files(page)[WORKFLOW])["jobs"].values()
    return "\n".join(each["run"] for each in job["steps"] if "run" in each)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [README, GUIDE], ids=["readme", "guide"])
def test_workflow_annotates_and_summarises(page: str, repository: Path, tmp_path: Path) -> None:
    good = step(repository, scripts(page), tmp_path)
    assert (good.returncode, good.stdout) == (0, ""), good.stderr
    summary = tmp_path / "summary.md"
    assert "**0 errors, 0 warnings, 0 notes**" in summary.read_text()

    break_it(repository)
    bad = step(repository, scripts(page), tmp_path)
    assert bad.returncode == 1
    number = len((repository / "trainer" / "task.py").read_text().splitlines())
    place = f"file=trainer/task.py,line={number},title=developer-path"
    assert bad.stdout.startswith(f"::error {place}::/home/ana/rides.csv is ")
    assert "**1 error, 0 warnings, 0 notes**" in summary.read_text()
    assert f"| error | developer-path | trainer/task.py:{number} | /home/ana" in summary.read_text()
    if page == GUIDE:
        (run,) = json.loads((repository / "check.sarif").read_text())["runs"]
        uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert (repository / uri).is_file()  # relative to the checkout, as GitHub reads it


@pytest.mark.timeout(600)
def test_cloud_build_fails_with_the_check(repository: Path, tmp_path: Path) -> None:
    (only,) = yaml.safe_load(files(GUIDE)["cloudbuild.yaml"])["steps"]
    flags, script = only["args"]
    assert (only["entrypoint"], flags) == ("bash", "-ceu")
    assert step(repository, f"set -eu\n{script}", tmp_path).returncode == 0
    break_it(repository)
    bad = step(repository, f"set -eu\n{script}", tmp_path)
    assert bad.returncode == 1
    assert "error[developer-path]" in bad.stdout


def git(folder: Path, *words: str) -> None:
    me = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com"]
    subprocess.run(["git", *me, *words], cwd=folder, check=True, capture_output=True)


def pre_commit(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    tools = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(folder.parent / "pre-commit"),
    }
    command = [sys.executable, "-m", "pre_commit", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(600)
def test_hook_refuses_a_commit(repository: Path) -> None:
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    assert pre_commit(repository, "run").returncode == 0
    break_it(repository)
    git(repository, "add", ".")
    bad = pre_commit(repository, "run")
    assert bad.returncode == 1
    assert "error[developer-path]" in bad.stdout
    other = repository / "notes.txt"
    other.write_text("")
    git(repository, "add", "notes.txt")
    assert "Skipped" in pre_commit(repository, "run", "--files", "notes.txt").stdout


def test_manifest_is_one_of_pre_commit(tmp_path: Path) -> None:
    manifest = ROOT / ".pre-commit-hooks.yaml"
    assert pre_commit(ROOT, "validate-manifest", str(manifest)).returncode == 0
    (tmp_path / "wrong.yaml").write_text("- id: x\n")
    wrong = pre_commit(tmp_path, "validate-manifest", "wrong.yaml")
    assert wrong.returncode == 1
    (hook,) = yaml.safe_load(manifest.read_text())
    assert hook["entry"] == "cmle check"


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_hook_of_this_repository(repository: Path, tmp_path: Path) -> None:
    """Installed from a clone, as pre-commit does."""
    break_it(repository)
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    clone = tmp_path / "cmle"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(clone))
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", clone)
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "As it is")
    done = pre_commit(repository, "try-repo", str(clone), "cmle-check", "--all-files")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error[developer-path]" in done.stdout
