"""A container's main process, started again when it ends: `restart` of a Compose file."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 60.0
_STEADY_SECONDS = 10.0
"""Docker's: the pause doubles, until a process has lived for so long."""
_GONE_SECONDS = 5.0
"""Unless nobody on this machine takes note of orphans that end."""

Start = Callable[[], "subprocess.Popen[bytes]"]


class Supervisor:
    def __init__(self, start: Start, restart: str) -> None:
        self._start = start
        self._restart = restart
        self._is_over = threading.Event()
        self._starting = threading.Lock()
        self._process = start()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL to all that runs in the container; they are gone when it returns."""
        main = self._process
        with suppress(psutil.NoSuchProcess):
            processes = psutil.Process(main.pid).children(recursive=True)
            main.kill()
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes, timeout=_GONE_SECONDS)
        main.wait()

    def stop(self, number: signal.Signals, seconds: float) -> bool:
        """Whether it ended by itself in time; it has ended then, and stays so."""
        with self._starting:
            self._is_over.set()
            self._process.send_signal(number)
        self._thread.join(seconds)
        has_ended = not self._thread.is_alive()
        self.kill()
        self._thread.join()
        return has_ended

    def wait(self, seconds: float) -> int:
        """The exit code of one that is not started again. Raises TimeoutExpired."""
        return self._process.wait(seconds)

    def _watch(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            code = self._process.wait()
            if self._is_over.is_set() or not self._is_started_again(code):
                return
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._is_over.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            with self._starting:
                if self._is_over.is_set():
                    return
                self._process = self._start()

    def _is_started_again(self, code: int) -> bool:
        policy, _, _ = self._restart.partition(":")
        return policy in {"always", "unless-stopped"} or (policy == "on-failure" and code != 0)
