from emulator.checks.evidence import Source
from emulator.checks.tracebacks import failure

SITE = "/root/.local/lib/python3.7/site-packages"
SOURCES = (
    Source("job/trainer/task.py", "trainer/task.py", "", "trainer.task"),
    Source("job/trainer/model.py", "trainer/model.py", "", "trainer.model"),
    Source("job/src/rides/__init__.py", "src/rides/__init__.py", "", "rides"),
)
TRACE = f"""\
The replica master 0 exited with a non-zero status of 1. \n\
Traceback (most recent call last):
  File "/usr/lib/python3.7/runpy.py", line 193, in _run_module_as_main
    "__main__", mod_spec)
  File "{SITE}/trainer/task.py", line 12, in <module>
    main()
  File "{SITE}/trainer/model.py", line 4, in mean
    return sum(fares) / np.array(0)
  File "{SITE}/numpy/core/model.py", line 99, in divide
    raise ZeroDivisionError(text)
ZeroDivisionError: division by zero

To find out more about why your job exited please check the logs: https://console"""


def test_deepest_line_of_the_user_is_the_place() -> None:
    found = failure(TRACE, SOURCES)
    assert found is not None
    assert (found.kind, found.message) == ("ZeroDivisionError", "division by zero")
    assert (found.path, found.line) == ("job/trainer/model.py", 4)


def test_last_of_several_exceptions_counts_and_the_first_of_several_replicas() -> None:
    chained = (
        "The replica master 0 exited with a non-zero status of 1. \n"
        "Traceback (most recent call last):\n"
        "  File \"/x/a.py\", line 1, in f\nKeyError: 'a'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n"
        f'  File "{SITE}/rides/__init__.py", line 7, in g\n'
        "trainer.model.NoFares\n"
        "The replica worker 0 exited with a non-zero status of 1. \n"
        "Traceback (most recent call last):\n"
        f'  File "{SITE}/trainer/task.py", line 1, in h\nOSError: gone\n'
    )
    found = failure(chained, SOURCES)
    assert found is not None
    assert (found.kind, found.message) == ("trainer.model.NoFares", "")
    assert (found.path, found.line) == ("job/src/rides/__init__.py", 7)
    assert "worker" not in found.traceback


def test_failure_in_a_library_alone_has_no_place() -> None:
    trace = 'Traceback (most recent call last):\n  File "/x/a.py", line 1, in f\nOSError: gone\n'
    found = failure(trace, SOURCES)
    assert found is not None
    assert (found.path, found.line) == ("", 0)


def test_other_ends_have_no_traceback() -> None:
    assert failure("", SOURCES) is None
    assert failure("The replica master 0 exited with a non-zero status of 3. ", SOURCES) is None
    assert failure("Traceback (most recent call last):", SOURCES) is None
