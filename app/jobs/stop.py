"""When a worker is to end: by a signal, or with the process that started it."""

import os
import signal
import sys
import threading
from types import FrameType


class Stop:
    """No Event: a signal may come while its lock is held by the code that is interrupted."""

    def __init__(self) -> None:
        self.is_set = False
        self.exit_code = 0
        """Of a process that was asked to end, and did; after Ctrl-C what a shell gives it, so that
        a script ends too.
        """

    def at_signals(self) -> None:
        """SIGTERM and SIGINT; a second of them ends the process where it stands."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def at_end_of_stdin(self) -> None:
        threading.Thread(target=self._read_stdin, name="stdin", daemon=True).start()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self.is_set = True
        if number == signal.SIGINT:
            self.exit_code = 128 + number
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)

    def _read_stdin(self) -> None:
        # Not by Python's buffer: its lock, held at the end of the process, would abort that.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        self.is_set = True
