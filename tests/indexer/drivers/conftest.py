"""One small cluster for all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import registry

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Its address; this process has joined it."""
    ray = pytest.importorskip("ray", reason="Ray comes with the extra `scale`")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        "local",
        num_cpus=2,
        object_store_memory=80 * 1024**2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={
            "env_vars": {"PYTHONPATH": str(ROOT)},
            "worker_process_setup_hook": "tests.indexer.drivers.scripted.register",
        },
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._SCHEMES, "scripted", "tests.indexer.drivers.scripted")
