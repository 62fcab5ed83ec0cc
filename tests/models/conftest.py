"""What tests of asynchronous code share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
