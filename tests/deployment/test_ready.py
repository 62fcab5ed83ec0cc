"""docker/ready.py: a container is healthy when its service says that it is ready, and only then."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.servers import free_port
from tests.deployment.upstream import Replica, replicas

SCRIPT = Path(__file__).parents[2] / "docker" / "ready.py"


@pytest.fixture
def service() -> Iterator[Replica]:
    with replicas("127.0.0.1") as (replica,):
        yield replica


def check(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", SCRIPT, url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_service_that_answers_200_is_ready(service: Replica) -> None:
    done = check(f"http://127.0.0.1:{service.port}/readyz")
    assert (done.returncode, done.stderr) == (0, "")


def test_one_that_refuses_is_not_and_the_log_of_the_check_says_why(service: Replica) -> None:
    done = check(f"http://127.0.0.1:{service.port}/refused")
    assert done.returncode == 1
    assert "503" in done.stderr


def test_neither_is_one_that_does_not_listen() -> None:
    done = check(f"http://127.0.0.1:{free_port()}/readyz")
    assert done.returncode == 1
    assert "refused" in done.stderr
