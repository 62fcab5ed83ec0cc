"""Hits that are not alike: one of a group, one of pictures that are nearly the same, and each
unlike those before it.

Greedy: the best of what is left is taken, and what it stands for is left no more. With `diversity`
the best is by maximal marginal relevance (Carbonell and Goldstein, 1998): its own relevance less
its likeness to what was taken, both in the scale of relevance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.versions.relevance import Background

_WORTH_A_PRODUCT = 64
"""Picks from which the likeness of all to all is quicker at once (1,000 × 768: 20 ms) than a row of
it a pick (0.2 ms each).
"""


@dataclass(frozen=True, slots=True)
class Rules:
    diversity: float
    likeness: Background
    """What a cosine of two images is worth."""
    duplicate_at: float | None
    """From this cosine on two images are the same picture; None: none are."""


class Pick(NamedTuple):
    place: int
    """Among the candidates."""
    in_group: int
    """How many of the other candidates are of its group."""
    duplicates: int


class Reranking:
    def __init__(
        self,
        relevances: NDArray[np.float64],
        groups: NDArray[np.int64],
        vectors: NDArray[np.float32] | None,
        rules: Rules,
    ) -> None:
        """Of n candidates, in the order in which they are preferred: relevances (n,), the number
        of the group of each (n,), unit vectors (n, dim); None where no rule asks for likeness.
        """
        self._relevances = relevances
        self._groups = groups
        self._vectors = vectors
        self._rules = rules
        self._left = np.ones(len(relevances), bool)
        self._nearest = np.full(len(relevances), -np.inf, np.float32)
        """Shape (n,): the greatest cosine with anything that was taken."""
        self._redundancy = np.zeros(len(relevances), np.float32)
        """Shape (n,): what it is worth."""

    def leave_out(self, places: NDArray[np.bool_]) -> None:
        """Shape (n,)."""
        self._left &= ~places

    def begin_after(self, vectors: NDArray[np.float32]) -> None:
        """Images (m, dim) that were taken before."""
        if self._vectors is not None and len(vectors):
            self._note((self._vectors @ vectors.T).max(axis=1))
            if self._rules.duplicate_at is not None:
                self._left &= self._nearest < self._rules.duplicate_at

    @property
    def has_more(self) -> bool:
        return bool(self._left.any())

    def take(self, k: int) -> list[Pick]:
        """The next k, or as many as are left."""
        like = self._likeness(k)
        picks: list[Pick] = []
        while len(picks) < k and self.has_more:
            place = self._best()
            picks.append(self._taken(place, like(place)))
        return picks

    def _best(self) -> int:
        diversity = self._rules.diversity
        if not diversity:
            return int(self._left.argmax())
        worth = (1 - diversity) * self._relevances - diversity * self._redundancy
        return int(np.where(self._left, worth, -np.inf).argmax())

    def _taken(self, place: int, like: NDArray[np.float32] | None) -> Pick:
        self._left[place] = False
        in_group = self._groups == self._groups[place]
        self._left &= ~in_group
        duplicates = 0
        if like is not None:
            self._note(like)
            if self._rules.duplicate_at is not None:
                same = self._left & (like >= self._rules.duplicate_at)
                duplicates = int(np.count_nonzero(same))
                self._left &= ~same
        return Pick(place, int(np.count_nonzero(in_group)) - 1, duplicates)

    def _note(self, like: NDArray[np.float32]) -> None:
        """Shape (n,): cosines with something that was taken."""
        nearer = like > self._nearest
        self._nearest[nearer] = like[nearer]
        if self._rules.diversity:
            self._redundancy[nearer] = self._rules.likeness.relevance(like[nearer])

    def _likeness(self, k: int) -> Callable[[int], NDArray[np.float32] | None]:
        """Of a place to all: their cosines (n,)."""
        vectors = self._vectors
        if vectors is None:
            return lambda _: None
        if k > _WORTH_A_PRODUCT:
            all_to_all = vectors @ vectors.T
            return lambda place: all_to_all[place]
        return lambda place: vectors @ vectors[place]
