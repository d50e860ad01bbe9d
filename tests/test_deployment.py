import pytest

from emulator.cluster import Bind
from emulator.deployment import (
    MLS1_BYTES,
    MODEL_TARGET,
    N1_BYTES,
    Deployment,
    file_violations,
    flaw,
    server,
    socket_name,
    unreadable,
)
from emulator.savedmodel import MetaGraph, SavedModel, SavedModelError, Signature, Tensor

URI = "gs://bucket/export"
EXPECTED = (
    "Deployment directory gs://bucket/export is expected to contain exactly one of: "
    "[saved_model.pb, saved_model.pbtxt]."
)


def texts(files: dict[str, int], machine_type: str = "") -> list[str]:
    return [found.description for found in file_violations(URI, files, machine_type)]


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_model_directory_passes(name: str) -> None:
    assert texts({name: 10, "variables/variables.index": 5}) == []


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ([], "There is no object below this path."),
        (["saved_model.pb", "saved_model.pbtxt"], "Both are there"),
        (["1547848897/saved_model.pb"], "deploy gs://bucket/export/1547848897/ instead."),
        (
            ["99/saved_model.pb", "1547848897/saved_model.pb", "1547848897/a/b/saved_model.pb"],
            "deploy gs://bucket/export/1547848897/ instead (the newest of 3 exports).",
        ),
        (["variables.index", "variables.data-00000-of-00001"], "deploy gs://bucket/ instead."),
        (["checkpoint", "model.ckpt-100.index"], "These are checkpoints"),
    ],
)
def test_a_directory_one_level_off_gets_a_hint(files: list[str], hint: str) -> None:
    (text,) = texts(dict.fromkeys(files, 1))
    assert text.startswith(EXPECTED)
    assert hint in text


def test_without_a_clue_the_text_is_the_services_alone() -> None:
    assert texts({"readme.txt": 1}) == [EXPECTED]


@pytest.mark.parametrize(
    ("machine_type", "limit"),
    [("", MLS1_BYTES), ("mls1-c4-m2", MLS1_BYTES), ("n1-standard-4", N1_BYTES)],
)
def test_the_size_limit_is_the_machines(machine_type: str, limit: int) -> None:
    assert texts({"saved_model.pb": limit}, machine_type) == []
    (text,) = texts({"saved_model.pb": limit, "a": 1}, machine_type)
    assert text == (
        f"The total size of files in gs://bucket/export is {limit + 1} bytes, which exceeds the "
        f"allowed maximum of {limit} bytes"
    )


def test_all_violations_are_told_at_once() -> None:
    found = texts({f"{number}": MLS1_BYTES for number in range(1001)})
    assert len(found) == 3
    assert "exceeds the allowed maximum of 1000" in found[2]


def model(*tags: str, **signatures: Signature) -> SavedModel:
    return SavedModel(1, (MetaGraph(tags=tags, signatures=signatures),))


def outputs(*shape: int | None) -> Signature:
    return Signature(outputs={"y": Tensor("dense/BiasAdd:0", "float32", shape)})


def test_a_model_of_open_batches_has_no_flaw() -> None:
    assert flaw(model("serve", serving_default=outputs(None, 1), scalar=outputs())) is None


@pytest.mark.parametrize("tags", [(), ("train",), ("serve", "gpu")])
def test_a_model_without_the_serve_tag(tags: tuple[str, ...]) -> None:
    assert flaw(model(*tags)) == (
        "Create Version failed. Model validation failed: SavedModel must contain exactly one "
        "metagraph with tag: serve For more information on how to export Tensorflow SavedModel, "
        "see https://www.tensorflow.org/api_docs/python/tf/saved_model."
    )


def test_a_fixed_outer_dimension() -> None:
    assert flaw(model("serve", predict=outputs(1, 3))) == (
        "Create Version failed. Model validation failed: Outer dimension for outputs must be "
        "unknown, outer dimension of 'dense/BiasAdd:0' is 1"
    )


def test_the_initialiser_alone_is_no_signature() -> None:
    assert flaw(model("serve", __saved_model_init_op=Signature())) == (
        'Create Version failed. Bad model detected with error:  "Failed to load model: MetaGraph '
        'must have at least one signature_def. (Error code: 0)"'
    )


def test_an_unreadable_model_is_a_bad_model() -> None:
    error = SavedModelError("/data/models/1/saved_model.pb is no readable SavedModel.")
    assert unreadable(error, "/data/models/1") == (
        'Create Version failed. Bad model detected with error:  "Failed to load model: Failed to '
        "load the model due to bad model data. tags: ['serve']\n"
        '/tmp/model/0001/saved_model.pb is no readable SavedModel. (Error code: 0)"'
    )


DEPLOYMENT = Deployment(
    key="projects/p/models/m/versions/v",
    model_dir="/data/models/1",
    python="/cache/runtime/bin/python",
    binds=(Bind("/cache/runtime", "/cache/runtime"),),
    variables={"LD_PRELOAD": "x.so"},
    threads=4,
)


def test_a_sandboxed_server_sees_the_services_path() -> None:
    replica = server(
        DEPLOYMENT, listen="name", work_dir="/work", shims="/shims", isolation="namespaces"
    )
    assert replica.argv[-2:] == ("/cmle/shims/prediction_server.py", MODEL_TARGET)
    assert Bind("/data/models/1", MODEL_TARGET) in replica.binds
    assert not any(bind.writable for bind in replica.binds)
    assert replica.network is None
    assert replica.listen == ("name",)
    assert replica.env["OMP_NUM_THREADS"] == "4"
    assert replica.env["LD_PRELOAD"] == "x.so"


def test_without_namespaces_the_server_sees_real_paths() -> None:
    replica = server(DEPLOYMENT, listen="name", work_dir="/w", shims="/shims", isolation="none")
    assert replica.argv[-2:] == ("/shims/prediction_server.py", "/data/models/1")


def test_a_socket_belongs_to_an_instance_and_a_site() -> None:
    assert socket_name("ab12", "version-1") == "cmle-version-ab12-version-1"
