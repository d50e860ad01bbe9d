import pytest

from emulator.checks.evidence import Option, Parser
from emulator.checks.shortening import Shortened, shorten


def parser(*names: str) -> Parser:
    return Parser(kind="argparse", options=tuple(Option((name,)) for name in names))


@pytest.mark.parametrize(
    ("flag", "args", "found"),
    [
        ("--train-steps", ["--train-steps=400"], Shortened("--train-steps", 10, "400")),
        ("--train_steps", ["--train_steps", "400"], Shortened("--train_steps", 10, "400")),
        ("--max-steps", [], Shortened("--max-steps", 10)),
        ("--num_epochs", ["--num_epochs=30"], Shortened("--num_epochs", 1, "30")),
        ("--epochs", ["--epochs"], Shortened("--epochs", 1, "")),
        ("--epochs", ["--epochs=1", "--epochs=2"], Shortened("--epochs", 1, "2")),
    ],
)
def test_training_is_shortened(flag: str, args: list[str], found: Shortened) -> None:
    assert shorten(args, parser("--job-dir", flag)) == (found,)


@pytest.mark.parametrize(
    ("flag", "args"),
    [
        ("--train-steps", ["--train-steps=3"]),
        ("--epochs", ["--epochs", "1"]),
        ("--eval-steps", ["--eval-steps=400"]),
        ("--learning-rate", ["--train-steps=400"]),
    ],
)
def test_few_steps_and_other_flags_stay(flag: str, args: list[str]) -> None:
    assert shorten(args, parser(flag)) == ()


def test_what_a_person_chose_stays_and_what_he_left_out_is_few() -> None:
    of_both = parser("--train-steps", "--epochs")
    assert shorten(["--train-steps=400"], of_both, chosen=True) == (Shortened("--epochs", 1),)
    assert shorten(["--train-steps=400"], None) == ()
    assert Shortened("--epochs", 1).argument == "--epochs=1"
