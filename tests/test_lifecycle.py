import pytest

from emulator.cluster import Exit
from emulator.lifecycle import (
    RESTARTS_PER_REPLICA,
    RETRIES_PER_JOB,
    Failure,
    after,
    error_message,
    shorten,
)

TRACE = "Traceback (most recent call last):\n" + "".join(
    f'  File "/app/f{n}.py", line {n}, in call\n    call({n})\n' for n in range(200)
)


@pytest.mark.parametrize(
    ("end", "action"),
    [
        (Exit("exited", code=0), "succeed"),
        (Exit("exited", code=1), "fail"),
        (Exit("exited", code=127), "fail"),
        (Exit("exited", code=0, out_of_memory=True), "fail"),
        (Exit("exited", signal=9), "fail"),
        (Exit("exited", signal=15), "restart"),
        (Exit("exited", signal=11), "restart"),
        (Exit("lost"), "restart"),
        (Exit("stopped", signal=9), "restart"),
        (Exit("abandoned", signal=15), "restart"),
        (Exit("stopped", code=0), "succeed"),
        (Exit("failed_to_start", message="no such file"), "fail"),
    ],
)
def test_the_table_of_ends(end: Exit, action: str) -> None:
    assert after(end, restarts=0) == action


def test_restarts_end() -> None:
    limit = RESTARTS_PER_REPLICA * (RETRIES_PER_JOB + 1)

    assert after(Exit("lost"), restarts=limit - 1) == "restart"
    assert after(Exit("lost"), restarts=limit) == "fail"


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
