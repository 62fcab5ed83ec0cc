"""Whole answers, kept while a collection stays as it is: most questions were asked before."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from app.search.response import FacetValue, Hit, Query

MAX_ANSWERS = 1_000
MAX_SIZE = 200
"""Of one answer, see `size`: together at most some 60 MB a collection."""
_LONG_TEXT = 200
_HITS_AN_EMBEDDING = 10

Question = Hashable


@dataclass(slots=True)
class Answer:
    query: Query
    hits: list[Hit]
    facets: dict[str, list[FacetValue]] = field(default_factory=dict)
    next_cursor: str | None = None

    @property
    def size(self) -> int:
        """About what it takes in memory, in hits. Attributes are those of rows that are kept."""
        size = len(self.hits)
        if self.hits and self.hits[0].embedding is not None:
            size *= _HITS_AN_EMBEDDING
        for values in self.facets.values():
            size += sum(1 + len(str(each.value)) // _LONG_TEXT for each in values)
        return size


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
        if answer.size <= MAX_SIZE:
            self._answers[question] = answer
            if len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)
