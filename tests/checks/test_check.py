"""A check from the outside: fixtures that are good, the cache, silencing, the command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.seeds import good_trainers
from emulator.checks.cache import key
from emulator.checks.check import check, inputs
from emulator.checks.choices import Choices
from emulator.checks.sources import Subject
from emulator.cli.options import default_cache_dir
from emulator.errors import OperatorError
from emulator.findings import Report, Severity
from emulator.isolation import probe
from emulator.shipped import folder

FIXTURES = folder("trainer_fixtures")
GOOD = [str(config.relative_to(FIXTURES)) for config in good_trainers()]
BRIEF = {  # the others are for make test-all
    *("prints/job.yaml", "logs/job.yaml", "sleeps/job.yaml", "writes_gcs/job.yaml"),
    *("taxifare/tf1/job.yaml", "taxifare/tf2/job.yaml", "tuned_hypertune/tuning.yaml"),
}
HOSTILE = """
import shutil, subprocess
shutil.rmtree({precious!r}, ignore_errors=True)
for path in ({precious!r} + "/escaped.txt", "escaped.txt", "/usr/local/escaped.txt"):
    try:
        open(path, "w").close()
    except OSError:
        pass
streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
subprocess.Popen(["sleep", {marker!r}], start_new_session=True, **streams)
"""
BROKEN = {
    "broken_setup": "installation-fails",
    "missing_dependency": "installation-fails",
    "missing_import": "undeclared-dependency",
    "missing_module": "module-missing",
    "unknown_flag": "argument-not-taken",
}


def look(tmp_path: Path, subject: Path, config: Path | None, *, cached: bool = False) -> Report:
    wheelhouse = tmp_path / "wheels"
    wheelhouse.mkdir(exist_ok=True)
    cache_dir = default_cache_dir()
    if cached:  # the environments of the user, the reports of nobody
        cache_dir = tmp_path / "cache"
        cache_dir.mkdir(exist_ok=True)
        if not (cache_dir / "runtimes").exists():
            (cache_dir / "runtimes").symlink_to(default_cache_dir() / "runtimes")
    return check(
        Choices(
            subject=subject,
            config=config,
            cache_dir=cache_dir,
            wheelhouse=wheelhouse,
            environment=dict(os.environ),
            use_cache=cached,
        )
    )


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name",
    [pytest.param(it, marks=[] if it in BRIEF else [pytest.mark.soak]) for it in GOOD],
)
def test_good_fixture_has_no_error(tmp_path: Path, name: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text((FIXTURES / name).read_text().replace("{bucket}", "bucket"))
    report = look(tmp_path, (FIXTURES / name).parent, config)
    assert report.count(Severity.ERROR) == 0, report.findings


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", BROKEN)
def test_broken_fixture_is_found_out(tmp_path: Path, name: str) -> None:
    report = look(tmp_path, FIXTURES / name, FIXTURES / name / "job.yaml")
    errors = {finding.rule for finding in report.findings if finding.level is Severity.ERROR}
    assert BROKEN[name] in errors, report.findings


@pytest.mark.tensorflow
@pytest.mark.skipif(probe().isolation != "namespaces", reason="this machine has no namespaces")
def test_hostile_package_touches_nothing_outside_and_leaves_nothing(tmp_path: Path) -> None:
    """Its setup.py and its package delete, write, and start what never ends."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "photo.jpg").touch()
    marker = str(10**6 + os.getpid())  # seconds; nobody else sleeps as long
    code = HOSTILE.format(precious=str(precious), marker=marker)
    root = tmp_path / "hostile"
    shutil.copytree(FIXTURES / "prints", root, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "trainer/__init__.py"):
        (root / name).write_text(code + (root / name).read_text())
    before = sorted(path for path in tmp_path.rglob("*"))
    cache = tmp_path / "cache"
    report = look(tmp_path, root, root / "job.yaml", cached=True)  # installed here and now
    assert "import-side-effects" in {finding.rule for finding in report.findings}
    shutil.rmtree(tmp_path / "wheels")
    (cache / "runtimes").unlink()
    shutil.rmtree(cache)
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert not Path("/usr/local/escaped.txt").exists()
    assert not Path("escaped.txt").exists()
    assert not [it for it in Path("/proc").glob("[0-9]*/cmdline") if marker in read(it)]


def read(cmdline: Path) -> str:
    try:
        return cmdline.read_text()
    except OSError:  # it has ended meanwhile
        return ""


@pytest.mark.tensorflow
def test_unchanged_package_comes_from_the_cache_and_a_comment_silences(tmp_path: Path) -> None:
    case = tmp_path / "case"
    shutil.copytree(FIXTURES / "checks" / "developer-path" / "bad", case)
    first = look(tmp_path, case, case / "config.yaml", cached=True)
    again = look(tmp_path, case, case / "config.yaml", cached=True)
    assert (first.cached, again.cached) == (False, True)
    assert again.findings == first.findings
    assert [it.rule for it in first.findings] == ["developer-path"]
    source = case / "trainer" / "task.py"
    text = source.read_text().replace(
        "    print(open", "    # cmle: ignore[developer-path] only at home\n    print(open"
    )
    source.write_text(text)
    silenced = look(tmp_path, case, case / "config.yaml", cached=True)
    assert not silenced.cached
    assert silenced.findings == ()
    assert [it.rule for it in silenced.silenced] == ["developer-path"]
    source.write_text(text.replace(" only at home", ""))
    assert look(tmp_path, case, case / "config.yaml", cached=True).count(Severity.ERROR) == 1


def test_key_sees_contents_names_and_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1")
    first = key(tmp_path, ["x"])
    assert key(tmp_path, ["x"]) == first
    assert key(tmp_path, ["y"]) != first
    (tmp_path / "a.py").write_text("a = 2")
    assert key(tmp_path, ["x"]) != first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert key(tmp_path, ["x"]) != first


def test_cache_knows_the_tables_of_machines(tmp_path: Path) -> None:
    tables = tmp_path / "machine_types.toml"
    choices = Choices(subject=tmp_path, cache_dir=tmp_path, environment={}, catalog=tmp_path)
    subject = Subject(tmp_path, "trainer")
    found = []
    for memory in (1, 2):
        tables.write_text(f"[compute]\ntiny = {{ cpus = 1, memory_gb = {memory} }}\n")
        found.append(inputs(choices, subject))
    assert found[0] != found[1]
    assert found[1] == inputs(choices, subject)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no package, folder or archive"):
        look(tmp_path, tmp_path / "nothing", None)


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "emulator", "check", *words]
    env = {**os.environ, "PYTHONPATH": str(FIXTURES.parent)}
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd, env=env)


@pytest.mark.tensorflow
def test_command_answers_with_an_exit_code(tmp_path: Path) -> None:
    bad = FIXTURES / "checks" / "argument-not-taken" / "bad-args"
    shutil.copytree(bad, tmp_path / "job")
    ended = run("job", "--format", "json", "--no-cache", "--", "--train-stepz=5", cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    document = json.loads(ended.stdout)
    assert [it["rule"] for it in document["findings"]] == ["argument-not-taken"]
    assert document["findings"][0]["path"] == "job/trainer/task.py"
    fine = run("job/trainer", "--no-cache", cwd=tmp_path)
    assert fine.returncode == 0, fine.stdout


def test_list_documents_the_rules(tmp_path: Path) -> None:
    ended = run("--list", cwd=tmp_path)
    assert ended.returncode == 0
    assert "package-data-missing (error)" in ended.stdout
    assert run(cwd=tmp_path).returncode == 2
