"""A collection that only the API writes."""

import pytest
from fastapi.testclient import TestClient

from tests.app.uploads import new_shop


@pytest.fixture
def shop(client: TestClient) -> TestClient:
    """Without images, nor an index."""
    new_shop(client)
    return client
