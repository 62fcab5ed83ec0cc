"""A server whose encoder is another process: the same answers, and clear words while it is away."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from models.worker.server import Address
from tests.app.shop import assert_problem, index, opened, refresh, search
from tests.models.workers import worker_on_a_thread
from tests.tiny_encoder import TinyEncoder


@pytest.fixture
def uds(tmp_path: Path) -> Path:
    return tmp_path / "encoder.sock"


@pytest.fixture
def settings(settings: Settings, uds: Path) -> Settings:
    return settings.model_copy(update={"encoder_url": f"unix://{uds}"})


@pytest.fixture
def remote(settings: Settings, photos: Path) -> Iterator[TestClient]:
    """A server that was started before its worker."""
    index(settings, photos)
    with opened(settings) as client:
        yield client


def until_ready(client: TestClient) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        refresh(client)
        if client.get("/readyz").status_code == 200:
            return
        time.sleep(0.05)
    raise AssertionError(client.get("/readyz").text)


def test_searches_are_answered_by_the_worker(remote: TestClient, uds: Path) -> None:
    encoder = TinyEncoder()
    with worker_on_a_thread(encoder, Address(uds=uds)):
        until_ready(remote)
        assert search(remote, text="빨강", k=1) == ["red.png"]
        assert remote.post("/v1/embed", json={"texts": ["red"]}).json()["model"] == "tiny"


def test_a_worker_that_is_away_is_a_503_and_comes_back_by_itself(
    remote: TestClient, uds: Path
) -> None:
    for attempt in range(2):
        assert_problem(remote.get("/readyz"), 503, "not_ready")
        assert remote.get("/healthz").status_code == 200
        answer = remote.get("/v1/collections/shop/search", params={"q": f"red {attempt}"})
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "away" in answer.json()["detail"] or "lost" in answer.json()["detail"]
        with worker_on_a_thread(TinyEncoder(), Address(uds=uds)):
            until_ready(remote)
            assert search(remote, text=f"red {attempt}", k=1)
        while remote.get("/readyz").status_code == 200:
            time.sleep(0.02)
    answer = remote.get("/v1/collections/shop/search", params={"q": "new text"})
    assert_problem(answer, 503, "encoder_away")


def test_a_model_that_is_not_the_workers_is_loaded_here(remote: TestClient, uds: Path) -> None:
    with worker_on_a_thread(TinyEncoder("2"), Address(uds=uds)):
        until_ready(remote)
        assert remote.post("/v1/embed", json={"texts": ["a"]}).json()["model"] == "tiny"
        remote.post("/v1/collections", json={"name": "other", "model": "tiny:2"})
        other = remote.post("/v1/embed", json={"texts": ["a"], "model": "tiny:2"})
        assert other.json()["model"] == "tiny:2"
        metrics = remote.get("/metrics").text
    assert 'noongil_encode_batch_size_count{kind="text"} 1.0' in metrics


def test_a_url_that_names_no_worker_is_said_at_the_start(settings: Settings) -> None:
    wrong = settings.model_copy(update={"encoder_url": "encoder:8001"})
    with pytest.raises(Exception, match="names no encoder worker"), opened(wrong):
        pass
