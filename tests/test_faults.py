import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator import faults
from emulator.errors import InvalidArgument
from emulator.faults import (
    KINDS,
    ExpiredTokens,
    FullDisk,
    Placed,
    Preempt,
    Quota,
    SlowStorage,
    StorageUnavailable,
    kind_of,
    parse,
)
from emulator.projects import number_of

LEAST = (
    Preempt(project="p", at_step=50),
    StorageUnavailable(project="p"),
    SlowStorage(project="p", delay_s=1),
    FullDisk(project="p", free_bytes=1),
    Quota(project="p"),
    ExpiredTokens(project="p"),
)


@pytest.mark.parametrize("fault", LEAST, ids=kind_of)
def test_a_fault_is_read_as_it_is_written(fault: faults.Fault) -> None:
    document = msgspec.to_builtins(fault)

    assert document["kind"] == kind_of(fault)
    assert parse(json.loads(json.dumps(document))) == fault


def test_every_kind_is_tried() -> None:
    assert {type(fault) for fault in LEAST} == set(KINDS)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (None, "Its kind is one of: preempt, storage-unavailable, slow-storage"),
        ({}, "missing required field `kind`"),
        ({"kind": "earthquake"}, "'earthquake'"),
        ({"kind": "quota"}, "missing required field `project`"),
        ({"kind": "quota", "project": ""}, "length >= 1"),
        ({"kind": "quota", "project": "p", "share": 1}, "The fields of quota: of, project, times."),
        ({"kind": "quota", "project": "p", "times": 0}, ">= 1"),
        ({"kind": "preempt", "project": "p"}, "Exactly one of at_step, at_text and after_s"),
        (
            {"kind": "preempt", "project": "p", "at_step": 1, "after_s": 1},
            "Exactly one of at_step, at_text and after_s",
        ),
        ({"kind": "preempt", "project": "p", "at_text": "("}, "at_text is not a regular"),
        (
            {"kind": "preempt", "project": "p", "at_step": 1, "replica": "worker"},
            "`$.replica`",
        ),
        ({"kind": "storage-unavailable", "project": "p", "share": 0}, "> 0"),
        ({"kind": "storage-unavailable", "project": "p", "status": 404}, "404"),
        ({"kind": "storage-unavailable", "project": "p", "methods": ["get"]}, "'get'"),
        ({"kind": "slow-storage", "project": "p"}, "One of delay_s and bytes_per_s"),
        ({"kind": "full-disk", "project": "p"}, "free_bytes"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_right(document: Any, words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse(document)

    assert words in refused.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=3,
)
FIELDS = sorted({field for kind in KINDS for field in kind.__struct_fields__})
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from([kind_of(fault) for fault in LEAST]),
        **dict.fromkeys(FIELDS, JSON),
        "project": st.text(min_size=1, max_size=5) | JSON,
    },
)


@settings(max_examples=60)
@given(DOCUMENTS | JSON)
def test_whatever_comes_is_a_fault_or_refused(document: Any) -> None:
    try:
        fault = parse(document)
    except InvalidArgument:
        return
    assert parse(msgspec.to_builtins(fault)) == fault


@given(st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        fault = parse({"kind": "preempt", "project": "p", "at_text": text})
    except InvalidArgument:
        return
    assert isinstance(fault, Preempt)
    assert fault.at_text == text


def test_a_project_is_known_by_its_number_too() -> None:
    fault = Quota(project="cmle-project")

    assert fault.is_of("cmle-project")
    assert fault.is_of(str(number_of("cmle-project")))
    assert not fault.is_of("another")
    assert not fault.is_of("")


def test_a_chief_is_the_master_in_logs() -> None:
    assert Preempt(project="p", at_step=1, replica="chief-0").label == "master-replica-0"
    assert Preempt(project="p", at_step=1, replica="worker-03").label == "worker-replica-3"


def test_a_fault_is_spent_when_it_has_struck_often_enough() -> None:
    twice = Quota(project="p", times=2)

    assert [Placed("q", twice, struck).is_spent for struck in (0, 1, 2)] == [False, False, True]
    assert not Placed("q", Quota(project="p"), 1000).is_spent


def test_a_placed_fault_is_one_flat_document() -> None:
    assert Placed("quota-1", Quota(project="p"), 3).document() == {
        "id": "quota-1",
        "struck": 3,
        "kind": "quota",
        "project": "p",
        "of": "jobs",
        "times": None,
    }
