"""What was acknowledged outlives kill -9, and whoever looks whether it does is not blind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.crashes.oracle import Delete, Oracle, Patch, Put, State, listing_faults
from bench.crashes.pictures import cosine
from bench.crashes.run import Plan, run

PLAN = Plan(writes=40, kills=4, seed=641, visible_within=60.0)
"""By this seed all die at once, the worker in the middle of a job, both servers, one of them."""

QUERY = 7
OF_RED = {"of": "red"}


def test_what_was_acknowledged_outlives_kills(database_url: str, tmp_path: Path) -> None:
    report = run(database_url, tmp_path / "shop", PLAN)
    counts = report.tally.counts
    assert report.tally.violations == []
    assert counts["acknowledged"] == PLAN.writes
    assert (counts["killed: servers"], counts["killed: worker"]) == (5, 2)
    assert counts["swaps seen"]


@pytest.fixture
def oracle() -> Oracle:
    """Of a red image, with attributes, and of a key without one."""
    return Oracle({"red": State(1, OF_RED), "none": State()})


def hit(key: str, picture: int, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": key, "score": cosine(QUERY, picture), "attributes": attributes}


def faults(oracle: Oracle, *hits: Mapping[str, Any]) -> list[str]:
    return list(listing_faults(hits, oracle.all(), QUERY))


def test_an_answer_that_is_as_it_should_be_has_no_fault(oracle: Oracle) -> None:
    assert faults(oracle, hit("red", 1, OF_RED)) == []


@pytest.mark.parametrize(
    "hits",
    [
        pytest.param([], id="lost"),
        pytest.param([hit("red", 1, OF_RED)] * 2, id="twice"),
        pytest.param([hit("red", 2, OF_RED)], id="another picture's vector"),
        pytest.param([hit("red", 1, {})], id="without its attributes"),
        pytest.param([hit("red", 1, OF_RED), hit("none", 1, {})], id="never put"),
        pytest.param([hit("red", 1, OF_RED), hit("unheard of", 1, {})], id="of no client"),
    ],
)
def test_an_answer_that_is_wrong_has_one(oracle: Oracle, hits: list[Mapping[str, Any]]) -> None:
    assert len(faults(oracle, *hits)) == 1


def test_a_write_without_an_answer_is_wholly_there_or_wholly_not(oracle: Oracle) -> None:
    oracle.begin(Put("red", 2, {"of": "blue"}))
    assert faults(oracle, hit("red", 1, OF_RED)) == []
    assert faults(oracle, hit("red", 2, {"of": "blue"})) == []
    assert len(faults(oracle, hit("red", 2, OF_RED))) == 1
    assert len(faults(oracle)) == 1


def test_a_write_that_is_answered_is_there(oracle: Oracle) -> None:
    put = Put("red", 2, None)
    oracle.begin(put)
    oracle.begin(put)  # once more, as nothing was answered
    assert oracle.acknowledge(put, 200) is None
    assert faults(oracle, hit("red", 2, OF_RED)) == []
    assert len(faults(oracle, hit("red", 1, OF_RED))) == 1


def test_what_was_deleted_is_gone_and_a_second_delete_is_none_the_worse(oracle: Oracle) -> None:
    delete = Delete("red")
    for _ in range(2):
        oracle.begin(delete)
        assert oracle.acknowledge(delete, 204) is None
        assert faults(oracle) == []
        assert len(faults(oracle, hit("red", 1, OF_RED))) == 1


@pytest.mark.parametrize(
    ("write", "status"),
    [
        (Put("red", 1, None), 201),
        (Put("none", 1, None), 200),
        (Patch("red", {"of": None}), 404),
        (Patch("none", {}), 200),
        (Delete("red"), 404),
        (Delete("none"), 204),
    ],
)
def test_an_answer_that_belies_what_was_there_is_noticed(
    oracle: Oracle, write: Put | Patch | Delete, status: int
) -> None:
    oracle.begin(write)
    assert oracle.acknowledge(write, status) is not None
