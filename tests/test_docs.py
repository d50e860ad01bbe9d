"""Every page is true: its blocks run, in their order, in a folder of their own.

A comment on the line before a block says what is special about it:
``<!-- file: NAME -->`` it is a file that a reader writes; ``<!-- in another terminal -->`` it
runs beside the rest; ``<!-- fails: 1 -->`` it ends with that exit code; ``<!-- not run: WHY -->``
nobody can run it here. ``<!-- beside: FIXTURE -->`` puts a trainer fixture into the folder.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from emulator.cli import cmle as group

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(ROOT)): path for path in [ROOT / "README.md", *DOCS.rglob("*.md")]}
BY_OTHER_TESTS = {"docs/testing.md"}  # tests/testing/test_docs.py
TRAINS = {"README.md", "docs/getting-started.md", "docs/guides/test-a-trainer.md"}
TRAINS |= {"docs/guides/move-an-old-lab.md", "docs/guides/inject-faults.md"}
REASONS = {
    "long": "takes minutes, or is the test-suite itself",
    "gcloud": "needs Google's command line",
    "docker": "needs a Docker Engine and images; tests/docker does the same",
    "example": "names what only an example has",
}
NOT_RUN = {"long": 1, "gcloud": 2, "docker": 3, "example": 1}
LANGUAGES = {"sh", "python", "yaml", "ini", "text"}
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
BESIDE = re.compile(r"^<!-- beside: (\S+) -->$", re.MULTILINE)
PRELUDE = """\
set -eu
pip() { test "$1" = install; }  # it is installed
cmle() {
  if [ "$1" = serve ]; then shift; set -- serve --port 0 "$@"; fi
  command cmle "$@"
}
"""
BESIDES = """\
{{ {text}
}} > beside.log 2>&1 & beside=$!
until grep -q 'is ready at' beside.log; do kill -0 $beside; sleep 0.1; done
"""


class Block(NamedTuple):
    language: str
    text: str
    kind: str = ""
    value: str = ""


def blocks(page: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(PAGES[page].read_text()):
        kind, _, value = (match["mark"] or "").partition(": ")
        found.append(Block(match["language"], match["text"], kind, value))
    return found


def script(page: str) -> str:
    """The page as one program of the shell."""
    parts = [PRELUDE]
    for number, block in enumerate(blocks(page)):
        if block.kind == "not run" or block.language == "text":
            continue
        parts.append(f"echo '--- block {number}'\n{as_shell(block, number)}")
    return "\n".join(parts)


def as_shell(block: Block, number: int) -> str:
    if block.kind == "file":
        folder = Path(block.value).parent
        return f"mkdir -p {folder}\ncat > {block.value} <<'CMLE_END'\n{block.text}CMLE_END"
    if block.language == "python":
        name = f"test_block_{number}.py" if "\ndef test_" in block.text else f"block_{number}.py"
        run = "python -m pytest -q" if name.startswith("test_") else "python"
        return f"cat > {name} <<'CMLE_END'\n{block.text}CMLE_END\n{run} {name}"
    assert block.language == "sh", f"a block of {block.language} must be a file"
    if block.kind == "in another terminal":
        return BESIDES.format(text=block.text)
    if block.kind == "fails":
        return f"code=0; ( {block.text.rstrip()}\n) || code=$?; test $code = {block.value}"
    return block.text


def runnable() -> Iterator[str]:
    for page in sorted(PAGES.keys() - BY_OTHER_TESTS):
        if any(each.language != "text" and each.kind != "not run" for each in blocks(page)):
            yield page


MARKED = [
    pytest.param(page, marks=pytest.mark.tensorflow if page in TRAINS else ())
    for page in runnable()
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", MARKED)
def test_every_block_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for fixture in BESIDE.findall(PAGES[page].read_text()):
        source = ROOT / "trainer_fixtures" / fixture
        shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    folder = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CMLE_DATA_DIR", raising=False)
    said = tmp_path.with_name(f"{tmp_path.name}.log")
    with said.open("wb") as log:
        shell = subprocess.Popen(
            ["bash", "-c", script(page)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait()
        finally:
            end_group(shell.pid)
    assert code == 0, said.read_text(errors="replace")[-6000:]


def end_group(group: int) -> None:
    """End what a page left running in other terminals; it has 30 s for that."""
    with contextlib.suppress(ProcessLookupError):
        for number in (signal.SIGTERM, *[0] * 300, signal.SIGKILL):
            os.killpg(group, number)
            time.sleep(0.1)


def test_what_is_not_run_is_counted() -> None:
    found = Counter(
        block.value for page in PAGES for block in blocks(page) if block.kind == "not run"
    )
    assert set(found) <= set(REASONS)
    assert dict(found) == NOT_RUN


@pytest.mark.parametrize("page", sorted(PAGES.keys() - BY_OTHER_TESTS))
def test_every_block_has_a_language(page: str) -> None:
    fences = re.findall(r"^```", PAGES[page].read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(blocks(page))
    assert {block.language for block in blocks(page)} <= LANGUAGES


def commands(page: str, program: str) -> Iterator[list[str]]:
    lines = [
        line
        for block in blocks(page)
        if block.language == "sh"
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    inline = re.findall(rf"`({program} [^`]+)`", PAGES[page].read_text())
    for line in [*lines, *inline]:
        inner = re.sub(r'^eval "\$\((.*)\)"$', r"\1", line.strip())
        if inner.split(" ")[0] == program:
            yield shlex.split(inner, comments=True)[1:]


LINES = [
    (page, words) for page in sorted(PAGES) for words in commands(page, "cmle") if "…" not in words
]


@pytest.mark.parametrize(("page", "words"), LINES, ids=lambda it: it if it is str else None)
def test_commands_of_cmle_exist(page: str, words: list[str]) -> None:
    command: click.Command = group
    context = click.Context(command, info_name="cmle")
    rest = words
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        assert found is not None, f"{page}: no command {rest[0]}"
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=rest[0] if rest else "", parent=context)
    known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
    own = rest[: rest.index("--")] if "--" in rest else rest
    used = {word.split("=")[0] for word in own if word.startswith("-")}
    assert used <= known, page


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for page in PAGES for words in commands(page, "make")}
    assert named
    assert named <= targets


def test_readme_begins_with_a_sentence_and_two_commands() -> None:
    title, _, sentence, *_ = PAGES["README.md"].read_text().splitlines()
    assert title == "# cmle"
    assert sentence.endswith(".")
    first = blocks("README.md")[0].text
    lines = [line.split("#")[0].strip() for line in first.splitlines()]
    assert lines == ["make demo", "make test"]


def test_readme_is_one_screen() -> None:
    readme = PAGES["README.md"].read_text()
    first_screen = "\n".join(readme.splitlines()[:60])
    assert "def test_" in first_screen
    assert "cmle check" in first_screen
    assert len(readme.splitlines()) <= 110


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    prose = FENCE.sub("", PAGES[page].read_text())
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if not target.startswith("http"):
            assert (PAGES[page].parent / target).exists(), target


def test_every_page_is_linked_from_readme() -> None:
    links = set(re.findall(r"\]\((docs/[^)#]+)", PAGES["README.md"].read_text()))
    assert links == {page for page in PAGES if page != "README.md"}
