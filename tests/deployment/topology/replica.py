"""A container whose main process is kept running, and that is asked how it is."""

import signal
import subprocess
import time

from tests.deployment.topology import images
from tests.deployment.topology.composition import HealthCheck, Service
from tests.deployment.topology.container import Container
from tests.deployment.topology.supervisor import Supervisor

_LOOK_SECONDS = 0.5
"""Health is asked for more often than the file says, and given up as late as it says."""
_LIMIT_SECONDS = 180.0
"""For what the file gives longer, and for what runs once."""


class Unhealthy(Exception):
    """A container did not become what others wait for."""


class Replica:
    def __init__(self, service: Service, container: Container) -> None:
        self.service = service
        self.container = container
        self._command: list[str] | None = None
        self._supervisor: Supervisor | None = None

    @property
    def name(self) -> str:
        return self.container.name

    @property
    def is_running(self) -> bool:
        return self._supervisor is not None and self._supervisor.is_running

    def start(self) -> None:
        """Its files are made the first time only: a container that is started again keeps them."""
        if self._command is None:
            self._command = images.preparation(self.service)(self.container, self.service)
        command = self._command
        self._supervisor = Supervisor(lambda: self.container.start(command), self.service.restart)

    def kill(self) -> None:
        """SIGKILL; it is started again as the file says."""
        self._running().kill()

    def stop(self) -> bool:
        """As `docker compose stop` does. Whether it ended by itself in its time."""
        number = signal.Signals[self.service.stop_signal]
        return self._running().stop(number, self.service.stop_seconds)

    def end(self) -> None:
        """At once, and for good."""
        if self._supervisor is not None:
            self._supervisor.stop(signal.SIGKILL, 0)

    def is_healthy(self) -> bool:
        """What its health check says; without one, whether it runs."""
        check = self.service.health
        if check is None or not self.is_running:
            return self.is_running
        try:
            test = [self.container.told(word) for word in check.test]
            return self.container.run(test, check.timeout).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def wait_for(self, condition: str) -> None:
        """One of those that `depends_on` names. Raises Unhealthy."""
        match condition:
            case "service_started":
                self._running()
            case "service_healthy":
                self._wait_healthy()
            case "service_completed_successfully":
                if code := self._running().wait(_LIMIT_SECONDS):
                    raise Unhealthy(f"it ended with {code}; {self.container.last_words()}")
            case _:
                raise ValueError(condition)

    def _wait_healthy(self) -> None:
        over = time.monotonic() + _patience(self.service.health)
        while not self.is_healthy():
            if time.monotonic() > over:
                raise Unhealthy(self.container.last_words())
            time.sleep(_LOOK_SECONDS)

    def _running(self) -> Supervisor:
        """Raises Unhealthy."""
        if self._supervisor is None:
            raise Unhealthy(f"{self.name} was not started")
        return self._supervisor


def _patience(check: HealthCheck | None) -> float:
    return min(check.patience, _LIMIT_SECONDS) if check is not None else _LIMIT_SECONDS
