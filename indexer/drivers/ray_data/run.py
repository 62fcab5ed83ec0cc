"""A pass over one source: what the scan finds goes to the cluster in batches, and comes back."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from indexer.drivers.ray_data.exchange import Exchange
from indexer.drivers.ray_data.execution import Execution
from indexer.embedding.handover import Handover
from indexer.embedding.prepare import Outcome, Workshop
from indexer.embedding.scan import Candidate, Finding
from indexer.room import RoomClosed

_BATCH_BYTES = 16 * 1024**2
"""Of files that the scan had to read: a batch of fewer pictures, where they are large."""

OpenExecution = Callable[[], AbstractContextManager[Execution]]


@dataclass(frozen=True)
class _Open:
    """There is something to embed."""


class ClusterRun:
    """A context manager, and within it an iterator of outcomes. Whatever the scan, a worker or the
    cluster raises, the iterator raises.

    The execution is opened when there is something to embed, by the thread that iterates: what Ray
    starts on this machine ends with the thread that started it.
    """

    def __init__(
        self, findings: Iterable[Finding], workshop: Workshop, open_execution: OpenExecution
    ) -> None:
        self._findings = findings
        self._workshop = workshop
        self._open_execution = open_execution
        self._outcomes: Handover[Outcome | _Open] = Handover()
        self._exchange: Future[Exchange] = Future()
        self._opened = ExitStack()
        self._stopped = False
        self._arrived: list[Candidate] = []
        self._arrived_bytes = 0
        self._has_asked = False
        self._scanner = threading.Thread(target=self._run, args=(self._scan,), name="scan")
        self._receiver = threading.Thread(target=self._run, args=(self._receive,), name="receive")

    def __enter__(self) -> Self:
        self._scanner.start()
        self._receiver.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped = True
        with self._opened:
            if not self._exchange.cancel():
                self._exchange.result().close()
            self._outcomes.leave(self._scanner, self._receiver)

    def __iter__(self) -> Iterator[Outcome]:
        for outcome in self._outcomes:
            if isinstance(outcome, _Open):
                self._open()
            else:
                yield outcome

    def _open(self) -> None:
        execution = self._opened.enter_context(self._open_execution())
        self._exchange.set_result(Exchange(execution, self._workshop.memory_bytes))

    def _scan(self) -> None:
        for finding in self._findings:
            if self._stopped:
                return
            if isinstance(finding, Candidate):
                self._add(finding)
            else:
                self._outcomes.put(finding)
        if self._arrived:
            self._send()
        if self._has_asked:
            self._exchange.result().end()
        else:
            self._outcomes.end()

    def _add(self, candidate: Candidate) -> None:
        self._arrived.append(candidate)
        self._arrived_bytes += len(candidate.item.data or b"")
        is_full = len(self._arrived) == self._workshop.batch_size
        if is_full or self._arrived_bytes >= _BATCH_BYTES:
            self._send()

    def _send(self) -> None:
        if not self._has_asked:
            self._outcomes.put(_Open())
            self._has_asked = True
        arrived, self._arrived, self._arrived_bytes = self._arrived, [], 0
        self._exchange.result().send(arrived)

    def _receive(self) -> None:
        for outcome in self._exchange.result().outcomes():
            self._outcomes.put(outcome)
        self._outcomes.end()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (RoomClosed, CancelledError):  # the run is over
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the outcomes are read
            self._outcomes.fail(error)
