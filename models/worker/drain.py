"""The time between the signal to stop and the stop."""

import asyncio
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

logger = logging.getLogger(__name__)


class Drain:
    """From SIGTERM on a process is not ready, and goes on answering for so many seconds: whoever
    balances over several sees it, and sends nothing more, before it stops listening.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.has_begun = False

    @contextmanager
    def at_sigterm(self) -> Iterator[None]:
        """Within uvicorn, whose own handler stops the server, and is called once the time is over.
        A second SIGTERM ends the process where it stands.

        On another thread than the main one nothing is done: uvicorn hears no signals there either.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop, stop = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)

        def begin(number: int, _: FrameType | None) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self.has_begun = True
            loop.call_soon_threadsafe(wait, number)

        def wait(number: int) -> None:
            logger.info("told to stop: answering for %g seconds more", self._seconds)
            loop.call_later(self._seconds, end, number)

        def end(number: int) -> None:
            if callable(stop):
                stop(number, None)
            else:
                signal.raise_signal(number)

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            if not self.has_begun:
                signal.signal(signal.SIGTERM, stop)
