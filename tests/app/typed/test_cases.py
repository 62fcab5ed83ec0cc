"""A query that is clear must reach the encoder as it is, and a mistyped one as it was meant."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.search.typed.query import understand
from tests.app.typed.labelled import CLEAN, Score, cases, scores

CASES = cases()


def test_clear_queries_stay_as_they_are() -> None:
    clean = [case for case in CASES if case.kind == CLEAN]
    changed = {case.typed: understand(case.typed) for case in clean}
    assert len(clean) >= 400
    assert {typed for typed, query in changed.items() if query.normalized != typed} == set()
    assert {typed for typed, query in changed.items() if query.repaired_from} == set()


@pytest.mark.parametrize("score", scores(CASES), ids=lambda score: score.kind)
def test_of_each_kind_nearly_all_are_understood(score: Score) -> None:
    assert score.precision >= 0.95, score.wrong
    assert score.recall >= 0.95, (score.missed, score.wrong)


def test_what_was_repaired_is_told_as_it_was_typed() -> None:
    query = understand("  rhdiddl  사진 보여줘!!! ")
    assert (query.text, query.normalized) == ("  rhdiddl  사진 보여줘!!! ", "고양이")
    assert query.repaired_from == "rhdiddl 사진 보여줘"


def test_a_pasted_text_is_left_alone() -> None:
    pasted = " ".join(["rhdiddl를 보여줘!!!"] * 10)
    assert understand(pasted).normalized == pasted
    assert understand(pasted).repaired_from is None


def test_queries_of_several_threads_do_not_mix() -> None:
    typed = [case.typed for case in CASES] * 3
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(understand, typed)) == [understand(text) for text in typed]
