"""The rules of the house that no linter knows."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "emulator"
SOURCES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if "shims" not in path.parts and "__pycache__" not in path.parts
)
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
LONGEST = 400
VAGUE = {"utils", "util", "helpers", "common", "manager", "base", "misc", "core"}
TEST_ROOMS = {"scenarios", "conformance", "docker"}  # of the whole, not of one module
OF_THE_HOUSE = {
    "clusters",
    "escape",
    "docs",
    "recipes",
    "layout",
    "wheel",
    "trainer_fixtures",
    "google_auth",
    "google_client",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name)
def test_file_fits_in_a_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST
    assert path.stem not in VAGUE


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_tests_mirror_the_package(path: Path) -> None:
    relative = path.relative_to(ROOT / "tests")
    subject = relative.stem.removeprefix("test_")
    if relative.parts[0] in TEST_ROOMS or subject in OF_THE_HOUSE:
        return
    folder = PACKAGE / relative.parent
    places = [folder / f"{subject}.py", folder / subject, folder / "__init__.py"]
    shims = PACKAGE / "data" / "shims" / f"{subject}.py"
    assert places[0].exists() or places[1].is_dir() or shims.exists() or subject == folder.name


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_everything_imported_is_declared() -> None:
    """The wheel brings what the package needs, whatever the tests' environment has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    declared = {
        text.split(">")[0].split("[")[0].replace("-", "_")
        for text in [*project["dependencies"], *extras]
    }
    modules = {"pyyaml": "yaml"}
    known = {modules.get(distribution, distribution) for distribution in declared}
    found = {module.split(".")[0] for path in SOURCES for module in imported(path)}
    # Pytest alone loads the plugin, so pytest is there then. Google's clients are those of the
    # tests that use it, where they have any.
    by_plugin = {"pytest", "google", "googleapiclient"}
    assert found - set(sys.stdlib_module_names) - {"emulator"} - by_plugin <= known


def test_runtime_code_has_no_test_doubles() -> None:
    for path in [*SOURCES, *TESTS]:
        assert "unittest.mock" not in set(imported(path)), name(path)


def test_requirements_have_hashes_and_no_addresses() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text()
        pins = [line for line in text.splitlines() if "==" in line]
        assert pins
        assert all(line.rstrip().endswith("\\") for line in pins), name(path)
        assert "://" not in text, name(path)
        assert "index-url" not in text, name(path)


def test_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = [
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## [")
    ]
    assert headings[0].startswith((f"## [{version}]", "## [Unreleased]"))
