import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.api import filters
from emulator.api.filters import And, Compare, FilterError, Not, Or

ENTRY = {
    "timestamp": "2026-01-02T03:04:05.000250Z",
    "insertId": "000000000007",
    "severity": "WARNING",
    "logName": "projects/p/logs/master-replica-0",
    "resource": {"type": "ml_job", "labels": {"job_id": "j", "task_name": "master-replica-0"}},
    "labels": {"ml.googleapis.com/task_name": "master-replica-0"},
    "jsonPayload": {"message": "Loss is 0.5", "lineno": 12, "ready": True, "tags": ["a", "b"]},
}
GCLOUD = (
    '(resource.type="ml_job" OR resource.type="cloudml_job") AND resource.labels.job_id="j" '
    'AND (resource.labels.task_name="T" OR labels.task_name="T") '
    'AND ((timestamp="2026-01-01T00:00:00.25Z" AND insertId>"7") '
    'OR timestamp>"2026-01-01T00:00:00.250000000Z") AND timestamp<"2026-01-02T00:00:00.123456Z"'
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        'resource.type="ml_job"',
        "resource.type=ml_job",
        '(resource.type="ml_job" OR resource.type="cloudml_job") AND resource.labels.job_id="j"',
        'resource.type=("x" OR "ml_job")',
        'timestamp>="1970-01-01T01:00:00.000000000Z"',
        'timestamp>="2026-01-02T03:04:05.00025Z"',
        'timestamp="2026-01-02T04:04:05.000250000+01:00"',
        'timestamp<"2026-01-02T03:04:05.000251Z"',
        'timestamp>="2026-01-02"',
        "timestamp>2026-01-02T03:04:05Z",
        '(timestamp="2026-01-02T03:04:05.00025Z" AND insertId>"000000000006") OR insertId>"9"',
        "severity>=INFO",
        "severity=warning",
        "severity<500",
        'labels."ml.googleapis.com/task_name"="master-replica-0"',
        "insert_id=000000000007",
        'logName:"master"',
        "jsonPayload.message:loss",
        'jsonPayload.message=~"^Loss.*5$"',
        "jsonPayload.lineno>9",
        "jsonPayload.lineno<100",
        "jsonPayload.ready=true",
        "jsonPayload.tags=b",
        "jsonPayload.message:*",
        'loss "0.5"',
        "NOT severity=ERROR",
        "-severity=ERROR",
        'severity!="ERROR"',
        "jsonPayload.message!~nothing",
        "resource.type=x OR severity=WARNING -- a comment\n AND insertId:7",
        "NOT labels.absent=x",
    ],
)
def test_matches(text: str) -> None:
    assert filters.matches(filters.parse(text), ENTRY)


@pytest.mark.parametrize(
    "text",
    [
        'resource.type="cloudml_job"',
        "labels.absent:*",
        "severity>WARNING",
        'timestamp<"2026-01-02T03:04:05.00025Z"',
        'timestamp>"2026-01-02T03:04:05.00025Z"',
        "jsonPayload.lineno>100",
        "gain",
        "severity=WARNING AND severity=ERROR",
        "NOT severity=WARNING",
        "jsonPayload.message.deeper=x",
    ],
)
def test_does_not_match(text: str) -> None:
    assert not filters.matches(filters.parse(text), ENTRY)


def test_or_binds_tighter_than_and() -> None:
    def one(name: str) -> Compare:
        return Compare((name,), "=", "1")

    found = filters.parse("a=1 OR NOT b=1 AND NOT c=1 OR d=1")
    assert found == And((Or((one("a"), Not(one("b")))), Or((Not(one("c")), one("d")))))


@pytest.mark.parametrize(
    ("text", "column"),
    [("a=", 3), ("(a=b", 5), ("a=b)", 4), ("AND", 4), ("a=(b OR", 8), ('a="x', 3), ("=", 1)],
)
def test_says_where_a_filter_goes_wrong(text: str, column: int) -> None:
    with pytest.raises(FilterError, match=f"line 1, column {column}"):
        filters.parse(text)


def test_limits_length_and_depth() -> None:
    with pytest.raises(FilterError, match="20000"):
        filters.parse("a" * 20_001)
    for text in ("(" * 100 + "a" + ")" * 100, "NOT " * 100 + "a", "- " * 100 + "a"):
        with pytest.raises(FilterError, match="deeply"):
            filters.parse(text)
    with pytest.raises(FilterError, match="regular expression"):
        filters.parse('a=~"["')


def test_knows_what_gcloud_demands() -> None:
    node = filters.parse(GCLOUD)
    assert filters.floor(node, "timestamp", filters.time_ns) == filters.time_ns(
        "2026-01-01T00:00:00.25Z"
    )
    assert filters.values(node, ("resource", "labels", "job_id")) == frozenset({"j"})
    types = frozenset({"ml_job", "cloudml_job"})
    assert filters.values(node, ("resource", "type")) == types


def test_demands_nothing_when_a_branch_is_open() -> None:
    node = filters.parse('timestamp>"2026-01-01" OR resource.labels.job_id="j"')
    assert filters.floor(node, "timestamp", filters.time_ns) is None
    assert filters.values(node, ("resource", "labels", "job_id")) is None


def test_reads_times_to_the_nanosecond() -> None:
    assert filters.time_ns("1970-01-01T00:00:01.000000002Z") == 1_000_000_002
    assert filters.time_ns("2026-13-01T00:00:00Z") is None
    assert filters.time_ns("soon") is None


WORDS = "a b.c = : >= != =~ ( ) AND OR NOT - * ' \" \\ , 1e999 severity timestamp ERROR 2026-01-01"
PIECES = st.sampled_from([*WORDS.split(), '"x y"', " ", "\n", "2026-01-01T00:00:00Z"])


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=20).map(" ".join)))
def test_reads_or_refuses_anything(text: str) -> None:
    try:
        node = filters.parse(text)
    except FilterError:
        return
    assert filters.matches(node, ENTRY) in {True, False}
    assert filters.matches(Not(node), ENTRY) != filters.matches(node, ENTRY)
    filters.floor(node, "timestamp", filters.time_ns)


NODES = st.recursive(
    st.builds(
        Compare,
        st.sampled_from([("timestamp",), ("insertId",)]),
        st.sampled_from(["=", ">", ">=", "<"]),
        st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000250Z", "2027-01-01"]),
    ),
    lambda nodes: st.lists(nodes, min_size=1, max_size=3).flatmap(
        lambda items: st.sampled_from([And(tuple(items)), Or(tuple(items)), Not(items[0])])
    ),
    max_leaves=8,
)


@given(NODES)
def test_a_floor_leaves_nothing_out(node: filters.Node) -> None:
    bound = filters.floor(node, "timestamp", filters.time_ns)
    at = filters.time_ns(ENTRY["timestamp"])  # type: ignore[arg-type]
    if filters.matches(node, ENTRY) and bound is not None:
        assert at is not None
        assert bound <= at
