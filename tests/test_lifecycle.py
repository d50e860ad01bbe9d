import pytest

from emulator.cluster import Exit
from emulator.lifecycle import (
    Failure,
    error_message,
    is_done,
    is_retryable,
    shorten,
)

TRACE = "Traceback (most recent call last):\n" + "".join(
    f'  File "/app/f{n}.py", line {n}, in call\n    call({n})\n' for n in range(200)
)


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        (Exit("exited", code=0), "done"),
        (Exit("exited", code=1), "permanent"),
        (Exit("exited", code=127), "permanent"),
        (Exit("exited", code=128), "retryable"),
        (Exit("exited", code=0, out_of_memory=True), "permanent"),
        (Exit("exited", signal=15, out_of_memory=True), "permanent"),
        (Exit("exited", signal=9), "permanent"),
        (Exit("exited", signal=15), "retryable"),
        (Exit("exited", signal=11), "retryable"),
        (Exit("lost"), "retryable"),
        (Exit("stopped", signal=9), "retryable"),
        (Exit("abandoned", signal=15), "retryable"),
        (Exit("stopped", code=0), "retryable"),
        (Exit("failed_to_start", message="no such file"), "permanent"),
    ],
)
def test_an_end_is_done_or_may_be_tried_again_or_is_final(end: Exit, verdict: str) -> None:
    assert is_done(end) == (verdict == "done")
    if verdict != "done":
        assert is_retryable(end) == (verdict == "retryable")


def test_several_failures_are_a_block_each() -> None:
    failures = [
        Failure("worker", 1, Exit("exited", code=1, traceback="Traceback\nValueError: a")),
        Failure("ps", 0, Exit("lost", message="its machine is gone")),
    ]
    text = error_message(failures, project_number="1", job_id="j")
    assert text.startswith(
        "The replica worker 1 exited with a non-zero status of 1. \nTraceback\nValueError: a\n"
        "The replica ps 0 was lost: its machine is gone\n\nTo find out more"
    )


def test_a_failure_is_told_with_its_traceback_and_the_link() -> None:
    end = Exit("exited", code=1, traceback="Traceback (most recent call last):\nNameError: x\n")

    text = error_message([Failure("master", 0, end)], project_number="12", job_id="j1")
    assert text == (
        "The replica master 0 exited with a non-zero status of 1. \n"
        "Traceback (most recent call last):\nNameError: x\n\n"
        "To find out more about why your job exited please check the logs: "
        "https://console.cloud.google.com/logs/viewer?project=12&resource=ml_job%2Fjob_id%2Fj1"
        "&advancedFilter=resource.type%3D%22ml_job%22%0Aresource.labels.job_id%3D%22j1%22"
    )


def test_an_end_that_is_explained_is_not_taken_for_out_of_memory() -> None:
    end = Exit("exited", signal=9, message="It wrote too much.")
    text = error_message([Failure("ps", 1, end)], project_number="1", job_id="j")
    assert text.startswith(
        "The replica ps 1 exited with a non-zero status of 9(SIGKILL). It wrote too much.\n"
    )


def test_out_of_memory_has_its_own_words() -> None:
    text = error_message(
        [Failure("worker", 2, Exit("exited", signal=9))], project_number="1", job_id="j"
    )

    assert text.startswith(
        "The replica worker 2 ran out-of-memory and exited with a non-zero status of 9(SIGKILL)\n"
    )


@pytest.mark.parametrize(("number", "shown"), [(11, "11(SIGSEGV)"), (50, "50(unknown signal)")])
def test_a_signal_is_named(number: int, shown: str) -> None:
    end = Exit("exited", signal=number)
    text = error_message([Failure("worker", 2, end)], project_number="12", job_id="j1")
    first = f"The replica worker 2 exited with a non-zero status of {shown}. "
    assert text.splitlines()[0] == first


def test_a_long_traceback_loses_its_oldest_frames() -> None:
    short = shorten(TRACE + "ValueError: end")

    assert len(short.encode()) <= 2048
    assert short.startswith("Traceback (most recent call last):\n  [...]\n  File ")
    assert short.endswith("    call(199)\nValueError: end")
