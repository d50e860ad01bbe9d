import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import payload, resources, schema
from emulator.errors import InvalidArgument

JOB = "GoogleCloudMlV1__Job"
PREFIX = "Invalid JSON payload received."


def read(document: object, message: str = JOB) -> dict[str, Any]:
    return payload.read(message, json.dumps(document).encode(), root=payload.root_of(message))


def refusal(document: object, message: str = JOB) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        read(document, message)
    return caught.value


def training(**fields: object) -> dict[str, object]:
    return {"trainingInput": fields}


@pytest.mark.parametrize(
    ("given_fields", "known"),
    [
        ({"workerCount": "5"}, {"workerCount": 5}),
        ({"worker_count": 5}, {"workerCount": 5}),
        ({"worker_count": 5.0}, {"workerCount": 5}),
        ({"scaleTier": "STANDARD_1"}, {"scaleTier": "STANDARD_1"}),
        ({"scaleTier": "standard-1"}, {"scaleTier": "STANDARD_1"}),
        ({"scaleTier": 5}, {"scaleTier": "CUSTOM"}),
        ({"scaleTier": "5"}, {"scaleTier": "CUSTOM"}),
        ({"enableWebAccess": "true"}, {"enableWebAccess": True}),
        ({"jobDir": None, "args": [None, "a"]}, {"args": ["a"]}),
        ({"args": "one"}, {"args": ["one"]}),
        ({"scheduling": {"max_running_time": "60s"}}, {"scheduling": {"maxRunningTime": "60s"}}),
        ({"nasJobSpec": {"anything": [1]}}, {}),
        (
            {"scheduling": {"strategy": "x", "resilient_to_worker_restart": True}},
            {"scheduling": {}},
        ),
        (
            {"hyperparameters": {"algorithm": "POPULATION_BASED_TRAINING"}},
            {"hyperparameters": {"algorithm": "POPULATION_BASED_TRAINING"}},
        ),
    ],
)
def test_reads_what_google_reads(given_fields: dict[str, object], known: dict[str, object]) -> None:
    assert read(training(**given_fields)) == {"trainingInput": known}


def test_reads_bytes_and_times() -> None:
    assert read({"etag": "_-8"}) == {"etag": "/+8="}
    assert read({"createTime": "2017-03-21T18:12:44Z"}) == {"createTime": "2017-03-21T18:12:44Z"}


@pytest.mark.parametrize("body", [b"", b" \n", b"{}"])
def test_an_empty_body_is_an_empty_message(body: bytes) -> None:
    assert payload.read("GoogleCloudMlV1__CancelJobRequest", body) == {}


@pytest.mark.parametrize(
    ("document", "path", "name", "why"),
    [
        ({"parameter_server_type": "x"}, "job", "parameter_server_type", "Cannot find field."),
        (training(foo=1), "job.training_input", "foo", "Cannot find field."),
        (
            training(jobDir=["a"]),
            "job.training_input",
            "jobDir",
            "Proto field is not repeating, cannot start list.",
        ),
    ],
)
def test_refuses_unknown_names_in_googles_words(
    document: object, path: str, name: str, why: str
) -> None:
    found = refusal(document)
    assert found.message == f"{PREFIX} Unknown name \"{name}\" at '{path}': {why}"
    violation = {"field": path, "description": found.message}
    assert found.details[0]["fieldViolations"] == [violation]


@pytest.mark.parametrize(
    ("document", "path", "kind", "value"),
    [
        (training(worker_count="x"), "training_input.worker_count", "TYPE_INT64", '"x"'),
        (training(runtimeVersion=1.1), "training_input.runtime_version", "TYPE_STRING", "1.1"),
        (training(args=["a", 1]), "training_input.args[1]", "TYPE_STRING", "1"),
        (
            training(scaleTier="HUGE"),
            "training_input.scale_tier",
            "type.googleapis.com/google.cloud.ml.v1.TrainingInput.ScaleTier",
            '"HUGE"',
        ),
        (
            training(masterType={"a": 1}),
            "training_input",
            "master_type",
            "Starting an object on a scalar field",
        ),
        (
            {"trainingInput": "x"},
            "training_input",
            "type.googleapis.com/google.cloud.ml.v1.TrainingInput",
            '"x"',
        ),
        ({"labels": {"a": True}}, "labels[0].value", "TYPE_STRING", "true"),
        ({"labels": ["a"]}, "labels", "Map", "Cannot bind a list to map for field 'labels'."),
        ({"etag": "a"}, "etag", "TYPE_BYTES", 'Base64 decoding failed for "a"'),
        (
            {"createTime": "now"},
            "create_time",
            "type.googleapis.com/google.protobuf.Timestamp",
            "Field 'createTime', Invalid time format: now",
        ),
        (
            training(scheduling={"maxWaitTime": "1h"}),
            "training_input.scheduling.max_wait_time",
            "type.googleapis.com/google.protobuf.Duration",
            "Field 'maxWaitTime', Illegal duration format; duration must end with 's'",
        ),
    ],
)
def test_refuses_values_in_googles_words(
    document: object, path: str, kind: str, value: str
) -> None:
    found = refusal(document)
    assert found.message == f"Invalid value at 'job.{path}' ({kind}), {value}"
    violation = {"field": f"job.{path}", "description": found.message}
    assert found.details[0]["fieldViolations"] == [violation]


def test_names_everything_that_is_wrong() -> None:
    found = refusal({"a": 1, "trainingInput": {"b": 2, "workerCount": "c"}})
    assert found.message.count("\n") == 2
    assert [one["field"] for one in found.details[0]["fieldViolations"]] == [
        "job",
        "job.training_input",
        "job.training_input.worker_count",
    ]


def test_a_request_message_has_no_root() -> None:
    found = refusal({"x": 1}, "GoogleCloudMlV1__CancelJobRequest")
    assert found.message == f'{PREFIX} Unknown name "x": Cannot find field.'
    assert found.details[0]["fieldViolations"] == [{"description": found.message}]


@pytest.mark.parametrize("document", [[], "x", 1, None])
def test_the_root_is_a_message(document: object) -> None:
    assert "Root element must be a message." in refusal(document).message


@pytest.mark.parametrize("value", [True, "x1", 1.5, 1 << 63, -(1 << 63) - 1, "9" * 30, [], "٣"])
def test_refuses_what_is_no_int64(value: object) -> None:
    refusal(training(workerCount=value))


def test_limits_depth() -> None:
    deep: dict[str, object] = {}
    for _ in range(200):
        deep = {"childParameterSpecs": [deep]}
    found = refusal({"studyConfig": {"parameters": [deep]}}, "GoogleCloudMlV1__Study")
    assert found.message == f"{PREFIX} Message too deep."


def test_reads_query_parameters() -> None:
    known = schema.table().methods["projects.jobs.list"].query
    assert payload.read_query(known, {"page_size": "7", "alt": "json", "filter": ""}) == {
        "pageSize": 7
    }
    with pytest.raises(InvalidArgument, match="'page_size' \\(TYPE_INT32\\), \"x\""):
        payload.read_query(known, {"pageSize": "x"})
    with pytest.raises(InvalidArgument, match="Cannot bind query parameter"):
        payload.read_query(known, {"pageSized": "1"})


NAMES = sorted({name for message in schema.table().messages for name in schema.names(message)})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["BASIC", "1", "-1", "1.5", "NaN", "10s", "2020-01-01T00:00:00Z", "aGk="]),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=4)), inner, max_size=4),
    ),
    max_leaves=20,
)


@given(
    message=st.sampled_from(["Job", "Version", "Model", "TrainingInput"]),
    names=st.data(),
    values=st.lists(DOCUMENTS, min_size=1, max_size=4),
)
def test_reads_or_refuses_any_document(
    message: str, names: st.DataObject, values: list[object]
) -> None:
    known = sorted(schema.names(f"GoogleCloudMlV1__{message}"))
    keys = [names.draw(st.sampled_from(known)) for _ in values]
    body = msgspec.json.encode(dict(zip(keys, values, strict=True)))
    try:
        found = payload.read(f"GoogleCloudMlV1__{message}", body)
    except InvalidArgument:
        return
    kind: type[Any] = getattr(resources, message)
    made = resources.decode(found, kind)
    again = payload.read(f"GoogleCloudMlV1__{message}", msgspec.json.encode(resources.encode(made)))
    assert resources.decode(again, kind) == made


@given(st.binary(max_size=40))
def test_reads_or_refuses_any_bytes(body: bytes) -> None:
    try:
        found = payload.read(JOB, body)
    except InvalidArgument as error:
        found = error.envelope()
    assert isinstance(found, dict)
