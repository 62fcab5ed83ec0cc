"""A worker beside a server, as `noongil demo` has it."""

import logging
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

logger = logging.getLogger(__name__)

_MAX_STARTS = 4
_PATIENCE_SECONDS = 10.0


class WorkerProcess:
    """A context manager: `noongil jobs` as a child, with the settings of the environment. One that
    dies is started again, a few times; then the server goes on without.
    """

    def __init__(self) -> None:
        self._is_over = False
        self._lock = threading.Lock()
        self._child = _start()
        self._watching = threading.Thread(target=self._watch, name="jobs", daemon=True)

    def __enter__(self) -> Self:
        self._watching.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._is_over = True
            _end(self._child)
        self._watching.join()

    def _watch(self) -> None:
        for starts_left in reversed(range(_MAX_STARTS)):
            code = self._child.wait()
            with self._lock:
                if self._is_over:
                    return
                _end(self._child)
                if not starts_left:
                    break
                logger.warning("the worker of jobs ended with %d: it is started again", code)
                self._child = _start()
        logger.error("the worker of jobs keeps ending: jobs wait until `noongil jobs` is started")


def _start() -> "subprocess.Popen[bytes]":
    """In a session of its own: Ctrl-C is for the server, which ends it by closing its input.
    Where the server is killed, the system closes it.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "app", "jobs", "--while-stdin"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _end(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None  # noqa: S101 - a pipe
    child.stdin.close()
    try:
        child.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
