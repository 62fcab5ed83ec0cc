"""Batches that are at the cluster, and what they come back as."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from indexer.drivers.ray_data.execution import Execution
from indexer.drivers.ray_data.work import Answer, Work, with_attributes, without_attributes
from indexer.embedding.prepare import Outcome
from indexer.embedding.scan import Candidate
from indexer.errors import ClusterFailed
from indexer.room import Room


@dataclass(frozen=True, slots=True)
class _Sent:
    """Candidates by key, and the bytes of the files that they brought along."""

    candidates: Mapping[str, Candidate]
    size: int


class Exchange:
    """One thread sends, another takes the outcomes."""

    def __init__(self, execution: Execution, memory_bytes: int) -> None:
        self._execution = execution
        self._room = Room(memory_bytes, execution.batches_ahead)
        self._waiting: dict[int, _Sent] = {}
        self._count = 0

    def send(self, candidates: Sequence[Candidate]) -> None:
        """Waits while enough is at the cluster. Raises ClusterFailed; RoomClosed."""
        size = sum(len(one.item.data or b"") for one in candidates)
        self._room.enter(size)
        number, self._count = self._count, self._count + 1
        self._waiting[number] = _Sent({one.item.key: one for one in candidates}, size)
        self._execution.send(Work(number, [without_attributes(one) for one in candidates]))

    def end(self) -> None:
        """Nothing more is sent: the outcomes end when all batches are answered."""
        self._execution.end()

    def outcomes(self) -> Iterator[Outcome]:
        """In the order in which batches are answered. Raises what a worker met with;
        ClusterFailed.
        """
        for answer in self._execution.answers():
            if answer.error is not None:
                raise answer.error
            if answer.number in self._waiting:  # or it came before, and a worker was lost
                yield from self._taken(answer)
        if self._waiting:
            raise ClusterFailed(f"{len(self._waiting)} batches were never answered")

    def close(self) -> None:
        """Nothing more is sent; what is at work is given up."""
        self._room.close()
        self._execution.stop()

    def _taken(self, answer: Answer) -> list[Outcome]:
        sent = self._waiting[answer.number]
        if len(answer.outcomes) != len(sent.candidates):
            raise ClusterFailed(
                f"{len(answer.outcomes)} answers for {len(sent.candidates)} pictures"
            )
        del self._waiting[answer.number]
        self._execution.forget(answer.number)
        self._room.leave(sent.size)
        return [with_attributes(outcome, sent.candidates) for outcome in answer.outcomes]
