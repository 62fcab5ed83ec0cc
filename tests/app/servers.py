"""`noongil serve`, `encoder` or `jobs` as a process, on the tiny encoder."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

import httpx

ROOT = Path(__file__).parents[2]
END_SECONDS = 60


class Process:
    """A context manager. Standard error goes to a file, which may be read as it grows."""

    def __init__(self, folder: Path, *arguments: str, **settings: object) -> None:
        self._port = settings.get("port")
        self.log = folder / f"{arguments[0]}.log"
        environment = {f"NOONGIL_{name.upper()}": str(value) for name, value in settings.items()}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.models.noongil", *arguments],
                cwd=folder,
                start_new_session=True,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT), "NOONGIL_MODEL": "tiny"} | environment,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def said(self) -> str:
        return self.log.read_text()

    def answers(self, url: str, status: int = 200) -> bool:
        """Whether it does so already."""
        assert self.process.poll() is None, self.said()
        try:
            return httpx.get(url).status_code == status
        except httpx.TransportError:
            return False

    def listens(self) -> bool:
        try:
            httpx.get(self.url)
        except httpx.ConnectError:
            return False
        return True

    def tell_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        return self.process.wait(END_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
