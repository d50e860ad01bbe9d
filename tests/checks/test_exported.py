import pytest

from emulator.checks.exported import Model, is_below, newest

JOB_DIR = "gs://rides/out"


@pytest.mark.parametrize(
    ("names", "model"),
    [
        (["out/a/saved_model.pb", "out/b/saved_model.pb"], Model("gs://rides/out/b", "tensorflow")),
        (["out/b/saved_model.pbtxt", "out/z.csv"], Model("gs://rides/out/b", "tensorflow")),
        (["out/saved_model.pb", "else/saved_model.pb"], Model("gs://rides/out", "tensorflow")),
        (["out2/saved_model.pb"], Model("gs://rides/out2", "tensorflow")),
        (["out/a/saved_model.pb", "out/model.joblib"], Model("gs://rides/out/a", "tensorflow")),
        (["out/model.joblib", "out/scaler.pkl"], Model("gs://rides/out", "scikit-learn")),
        (["out/m/model.bst"], Model("gs://rides/out/m", "xgboost")),
        (["out/m/fares.joblib"], Model("gs://rides/out/m", "scikit-learn")),
        (["out/weights.pt"], Model("gs://rides/out")),
        (["out/temp-123/saved_model.pb", "out/note.txt"], None),
        ([], None),
    ],
)
def test_newest_model_is_found_by_names(names: list[str], model: Model | None) -> None:
    assert newest([f"gs://rides/{name}" for name in names], JOB_DIR) == model


def test_what_is_below_a_folder() -> None:
    assert is_below("gs://rides/out/x", JOB_DIR)
    assert is_below("gs://rides/out", f"{JOB_DIR}/")
    assert not is_below("gs://rides/out2/x", JOB_DIR)
    assert is_below("gs://elsewhere/x", "")
