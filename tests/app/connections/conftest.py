"""A server of the kind that is shipped, with an application of a few lines."""

import socket
from collections.abc import Iterator

import pytest

from app.config import Settings
from tests.app.connections.small_app import Events, small_app
from tests.app.raw_http import RunningServer, connect, running


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def server(settings: Settings, events: Events) -> Iterator[RunningServer]:
    with running(small_app(settings, events), settings) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[socket.socket]:
    with connect(server.port) as client:
        yield client
