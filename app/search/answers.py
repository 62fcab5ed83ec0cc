"""Whole answers, kept while a collection stays as it is: most questions were asked before."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from app.search.schemas import Hit, Query, SearchRequest

MAX_ANSWERS = 1_000
MAX_HITS_HELD = 100
"""Of one answer: together at most some 30 MB a collection."""

Question = Hashable


@dataclass(frozen=True, slots=True)
class Answer:
    query: Query
    hits: list[Hit]


class Answers:
    """Of one collection in one state: another snapshot begins with none.

    Used on the event loop only. The least recently asked go first.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[Question, Answer] = OrderedDict()

    def get(self, question: Question) -> Answer | None:
        answer = self._answers.get(question)
        if answer is not None:
            self._answers.move_to_end(question)
        return answer

    def keep(self, question: Question, answer: Answer) -> None:
        if len(answer.hits) <= MAX_HITS_HELD:
            self._answers[question] = answer
            if len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)


def question(request: SearchRequest) -> Question:
    """Equal where the answers are."""
    asked = request.text if request.image is None else request.image.id
    return (
        request.image is None,
        asked,
        request.k,
        request.recall,
        request.min_relevance,
        "attributes" in request.include,
    )
