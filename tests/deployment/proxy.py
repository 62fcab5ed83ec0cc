"""The project's own nginx configuration, run by a real nginx on loopback."""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import randrange

import httpx

ROOT = Path(__file__).parents[2]
GENEROUS = 20.0
"""Seconds; nothing here takes a tenth of it unless it fails."""


class Nginx:
    """`url` and `tls_url`: of who calls; `health_url`: of the container's own check."""

    def __init__(
        self, folder: Path, api_port: int, resolver: str, others: Mapping[str, str]
    ) -> None:
        """`folder` takes the configuration with the address and paths of this test, and its
        `others` changes; secrets are looked for there too.
        """
        self._folder = folder
        address = _own_address()
        self.url = f"http://{address}:8080"
        self.health_url = f"http://{address}:8081"
        self.tls_url = f"https://{address}:8443"
        changes = {
            "listen 8080": f"listen {address}:8080",
            "listen 8443": f"listen {address}:8443",
            "listen 127.0.0.1:8081": f"listen {address}:8081",
            "api:8000": f"api:{api_port}",
            "resolver 127.0.0.11": f"resolver {resolver}",
            "/run/secrets/": f"{folder}/",
            "/dev/stdout": str(folder / "access.log"),
            "/dev/stderr": str(folder / "error.log"),
            "/tmp/": f"{folder}/",  # noqa: S108 - the container's own
            **others,
        }
        written = "".join(_adapt(file, folder, changes) for file in _configuration())
        assert all(change in written for change in changes), "the configuration has changed"

    @contextmanager
    def running(self, file: str = "nginx.conf") -> Iterator["Nginx"]:
        command = ["nginx", "-c", str(self._folder / file), "-g", "daemon off;"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            self._wait(process)
            yield self
        finally:
            process.terminate()
            process.communicate(timeout=GENEROUS)

    def logged(self) -> str:
        return (self._folder / "access.log").read_text()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + GENEROUS
        while time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            try:
                httpx.get(self.health_url)
            except httpx.TransportError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError("nginx did not start")


def _own_address() -> str:
    """Of the loopback network, which has sixteen million: ports stay as they are."""
    return f"127.{randrange(16, 250)}.{randrange(256)}.{randrange(1, 255)}"  # noqa: S311 - no secret


def _configuration() -> list[Path]:
    return sorted((ROOT / "docker" / "nginx").glob("*.conf"))


def _adapt(file: Path, folder: Path, changes: dict[str, str]) -> str:
    """Returns what was there before."""
    text = file.read_text()
    known = re.compile("|".join(map(re.escape, changes)))
    (folder / file.name).write_text(known.sub(lambda found: changes[found[0]], text))
    return text
