"""Milvus in a file of the test's own: real, and without a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.backends.milvus.connection import Milvus, MilvusOptions, connect


@pytest.fixture
def milvus(tmp_path: Path) -> Iterator[Milvus]:
    yield from opened(tmp_path / "milvus.db")


@pytest.fixture(scope="module")
def shared_milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Milvus]:
    yield from opened(tmp_path_factory.mktemp("milvus") / "milvus.db")


def opened(path: Path) -> Iterator[Milvus]:
    pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed")
    milvus = connect(MilvusOptions(str(path)))
    yield milvus
    milvus.close()
