import pytest

from emulator.steps import Steps


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("loss = 0.0023, step = 120 (0.084 sec)", 120),
        ("step=7", 7),
        ("Step: 7, loss: 0.5", 7),
        ("INFO global_step = 12", 12),
        ("global step 12: loss 0.3", 12),
        ("Saving checkpoints for 300 into gs://b/j/model.ckpt.", 300),
        ("step 3 of 9, step 4 of 9", 3),
        ("global_step/sec: 119.985", None),
        ("Loss for final step: 0.33", None),
        ("Loss for final step: 1.03e-05.", None),
        ("two steps forward", None),
        ("footstep 3", None),
        ("Restoring parameters from gs://b/j/model.ckpt-100", None),
        ("", None),
    ],
)
def test_reads_what_trainers_print(line: str, step: int | None) -> None:
    assert Steps().read(line) == step


def test_adds_the_batches_of_keras_up_over_its_epochs() -> None:
    steps = Steps()
    told = [
        steps.read(line)
        for line in (
            "Epoch 1/3",
            " 1/10 [==>...........................] - ETA: 3s - loss: 0.5",
            "10/10 [==============================] - 1s 9ms/step - loss: 0.4",
            "Epoch 2/3",
            " 4/10 [===========>..................] - ETA: 0s - loss: 0.4",
            "10/10 - 1s - loss: 0.3 - 900ms/epoch - 90ms/step",
            "Epoch 3/3",
            "3/Unknown - 0s 2ms/step - loss: 0.2",
        )
    ]

    assert told == [None, 1, 10, None, 14, 20, None, 23]


def test_a_rewritten_progress_bar_counts_with_its_last_state() -> None:
    assert Steps().read("1/10 [>....]\b\b\b\r2/10 [=>...]\r\b3/10 [==>..]") == 3
