"""The engine's state of a container becomes the end of a replica."""

from typing import Any

import pytest

from emulator.cluster import Exit
from emulator.runners.docker.ends import end_of, explained, init_failure, is_over, seconds

STARTED, ENDED = "2023-11-14T22:13:20.5Z", "2023-11-14T22:13:30Z"
NEVER = "0001-01-01T00:00:00Z"


def state(code: int = 0, *, oom: bool = False, **fields: Any) -> dict[str, Any]:
    return {
        "Status": "exited",
        "ExitCode": code,
        "OOMKilled": oom,
        "Error": "",
        "StartedAt": STARTED,
        "FinishedAt": ENDED,
        **fields,
    }


@pytest.mark.parametrize(
    ("code", "oom", "expected"),
    [
        (0, False, Exit("exited", code=0)),
        (3, False, Exit("exited", code=3)),
        (3, True, Exit("exited", code=3)),  # a child was killed, the program went on
        (0, True, Exit("exited", code=0)),
        (137, True, Exit("exited", signal=9, out_of_memory=True)),
        (137, False, Exit("exited", signal=9)),
        (139, False, Exit("exited", signal=11)),
        (143, False, Exit("exited", signal=15)),
        (255, False, Exit("exited", code=255)),
    ],
)
def test_how_it_ended(code: int, oom: bool, expected: Exit) -> None:  # noqa: FBT001
    end = end_of(state(code, oom=oom), stopped=False)
    assert (end.started, end.ended) == (1_700_000_000.5, 1_700_000_010.0)
    assert (end.reason, end.code, end.signal) == (expected.reason, expected.code, expected.signal)
    assert end.out_of_memory == expected.out_of_memory


def test_what_was_stopped_says_so() -> None:
    assert end_of(state(143), stopped=True).reason == "stopped"


def test_what_could_not_be_started_says_why() -> None:
    error = 'exec: "nope": executable file not found in $PATH: unknown'
    end = end_of(state(127, StartedAt=NEVER, Error=error), stopped=False)
    assert end.reason == "failed_to_start"
    assert end.message == "The program nope cannot be run: it is not in the PATH of the image."


def test_what_was_made_and_never_started_is_lost() -> None:
    made = state(StartedAt=NEVER, FinishedAt=NEVER, Status="created")
    assert is_over(made)
    assert end_of(made, stopped=False).reason == "lost"


@pytest.mark.parametrize("status", ["running", "paused", "restarting", "removing"])
def test_what_runs_is_not_over(status: str) -> None:
    assert not is_over({"Status": status})


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("No such image: nope/none:1", "The container image nope/none:1 is not on this machine"),
        (
            'runc create failed: exec: "/no/such": stat /no/such: no such file or directory: x',
            "The program /no/such cannot be run: the image has none.",
        ),
        ('exec: "/etc": permission denied: unknown', "The program /etc cannot be run: it lacks"),
        ("Unknown runtime specified nvidia", "The engine has no runtime nvidia"),
        (
            'could not select device driver "" with capabilities: [[gpu]]',
            "The engine cannot give GPUs",
        ),
        (
            "Error processing tar file(exit status 1): write /tmp/a: no space left on device",
            "The disk of the Docker Engine is full.",
        ),
        ("Cannot mkdir: /etc/hostname is not a directory", "directory /etc/hostname is a file"),
        ("No command specified", "The image names no program"),
        ("something new", "could not start it: something new"),
    ],
)
def test_refusals_are_put_in_words(said: str, sentence: str) -> None:
    assert sentence in explained(said)


def test_inits_own_words_are_understood() -> None:
    said = ["a line\n", "[FATAL tini (7)] exec /no/such failed: No such file or directory\n"]
    assert init_failure(said) == "The program /no/such cannot be run: the image has none."
    assert init_failure(["[FATAL tini (7)] exec x failed: Odd thing\n"]) == (
        "The program x cannot be run: Odd thing."
    )
    assert init_failure(["sh: nothing: not found\n"]) == ""


def test_times_without_a_fraction_and_never() -> None:
    assert seconds(ENDED) == 1_700_000_010.0
    assert seconds(NEVER) == 0.0
    assert seconds("") == 0.0
