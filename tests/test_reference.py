"""The reference pages are those that the program would write."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.reference import PAGES, VARIABLES, cli, commands, fixtures, settings, write
from emulator.shipped import PACKAGE

DOCS = PACKAGE.parent / "docs"
READ = re.compile(r'environ(?:ment)?\.get\(\s*"(CMLE_[A-Z_]+)"')
INTERNAL = {"CMLE_ENV"}  # which one `cmle env` left


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run: make docs"


def test_pages_are_written(tmp_path: Path) -> None:
    write(tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")}
    assert written == set(PAGES)


def test_every_command_and_option_is_there() -> None:
    text = cli()
    for path, command in commands():
        assert f"## cmle {path}\n" in text
        section = text.split(f"## cmle {path}\n")[1].split("\n## ")[0]
        options = [each for each in command.params if each.param_type_name == "option"]
        shown = [option for option in options if not getattr(option, "hidden", False)]
        assert all(option.opts[0] in section for option in shown)


def test_every_variable_is_there() -> None:
    texts = [path.read_text() for path in PACKAGE.rglob("*.py") if "data" not in path.parts]
    named = {name for text in texts for name in READ.findall(text)}
    assert named - INTERNAL == {name for name in VARIABLES if name.startswith("CMLE_")}
    assert all(f"`{name}`" in settings() for name in VARIABLES)


def test_every_fixture_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--fixtures", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    known = set(re.findall(r"^(cmle_\w+)", done.stdout, re.MULTILINE))
    assert known
    assert known == set(re.findall(r"^## (cmle_\w+)$", fixtures(), re.MULTILINE))
