import pytest

from emulator import schema


@pytest.mark.parametrize(
    ("camel", "snake"),
    [
        ("jobId", "job_id"),
        ("consumedMLUnits", "consumed_ml_units"),
        ("useChiefInTfConfig", "use_chief_in_tf_config"),
        ("bootDiskSizeGb", "boot_disk_size_gb"),
        ("snake_case", "snake_case"),
    ],
)
def test_writes_names_in_snake_case(camel: str, snake: str) -> None:
    assert schema.snake(camel) == snake


def test_knows_a_field_by_both_names() -> None:
    names = schema.names("GoogleCloudMlV1__TrainingOutput")
    assert names["consumedMLUnits"] == names["consumed_ml_units"]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("GoogleCloudMlV1__Job", "google.cloud.ml.v1.Job"),
        ("GoogleCloudMlV1_StudyConfig_MetricSpec", "google.cloud.ml.v1.StudyConfig.MetricSpec"),
        ("GoogleIamV1__Policy", "google.iam.v1.Policy"),
    ],
)
def test_names_a_message_as_its_proto(message: str, name: str) -> None:
    assert schema.type_name(message) == name


def test_reads_durations() -> None:
    assert schema.duration_s("3600s") == 3600.0
    assert schema.duration_s("0.5s") == 0.5
    for text in ("", "1", "1m", "s", "1 s", "1e3s"):
        with pytest.raises(ValueError, match="Not a duration"):
            schema.duration_s(text)


def test_publishes_64_bit_integers_as_strings() -> None:
    fields = {"trainingInput": {"workerCount": 3, "scheduling": {"priority": 4}}}
    assert schema.publish("GoogleCloudMlV1__Job", fields) == {
        "trainingInput": {"workerCount": "3", "scheduling": {"priority": 4}}
    }
    metric = {"objectiveValue": float("-inf"), "trainingStep": 1 << 62}
    message = "GoogleCloudMlV1_HyperparameterOutput_HyperparameterMetric"
    assert schema.publish(message, metric) == {
        "objectiveValue": "-Infinity",
        "trainingStep": "4611686018427387904",
    }


def test_every_reference_of_the_table_resolves() -> None:
    table = schema.table()
    fields = [field for message in table.messages.values() for field in message.values()]
    assert {field.of for field in fields if field.of} <= table.messages.keys()
    for method in table.methods.values():
        assert method.response in table.messages
        assert not method.request or method.request in table.messages
