"""What balancers and Prometheus are told."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app.config import Settings
from tests.app.shop import assert_problem, damage, index, opened, paint, refresh, search
from tests.waiting import until

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(client: TestClient) -> Samples:
    """(name, label values) → value."""
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_a_server_that_serves_says_so(shop: TestClient) -> None:
    assert shop.get("/healthz").json() == {"status": "ok"}
    assert shop.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/collections", "/"])
def test_head_works_wherever_get_does(client: TestClient, path: str) -> None:
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_a_database_behind_this_program_is_not_ready(client: TestClient) -> None:
    with client.app_state["database"].write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
    assert_problem(client.get("/readyz"), 503, "catalog_unavailable")


def test_the_metrics_of_the_contract_are_there(shop: TestClient) -> None:
    search(shop, text="red")
    shop.post("/v1/embed", json={"texts": ["a", "b"]})
    found = samples(shop)
    version = shop.get("/v1/collections/shop").json()["active_version"]
    assert found["noongil_search_seconds_count", ("shop",)] == 1
    assert found["noongil_index_vectors", ("shop",)] == 3
    assert found["noongil_active_version", ("shop", version)] == 1
    assert found["noongil_encode_batch_size_sum", ("text",)] == 1 + 2
    assert found["noongil_encode_batch_size_count", ("image",)] == 0
    assert found["noongil_encode_queue_seconds_count", ()] == 2
    assert found["noongil_query_cache_total", ("miss",)] == 3


def test_a_new_version_takes_the_place_of_the_old(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    old = shop.get("/v1/collections/shop").json()["active_version"]
    paint(photos / "white.png", "white")
    new = index(settings, photos).version
    refresh(shop)
    found = samples(shop)
    assert ("noongil_active_version", ("shop", old)) not in found
    assert found["noongil_active_version", ("shop", str(new))] == 1
    assert found["noongil_index_vectors", ("shop",)] == 4


def test_a_deleted_collection_leaves_no_label(shop: TestClient) -> None:
    search(shop, text="red")
    shop.delete("/v1/collections/shop")
    until(lambda: not [labels for _, labels in samples(shop) if "shop" in labels])


def test_a_collection_under_the_name_of_a_deleted_one_is_measured(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    """Both changes may come to a server between two looks at the catalog."""
    with opened(settings) as other:
        other.delete("/v1/collections/shop")
        version = index(settings, photos).version
    refresh(shop)
    found = samples(shop)
    assert found["noongil_index_vectors", ("shop",)] == 3
    assert found["noongil_active_version", ("shop", str(version))] == 1


def test_one_collection_that_cannot_be_served_is_named(
    shop: TestClient, settings: Settings
) -> None:
    version = shop.get("/v1/collections/shop").json()["active_version"]
    damage(settings, version)
    assert shop.get("/readyz").status_code == 200, "what is open goes on"
    with opened(settings) as restarted:
        detail = assert_problem(restarted.get("/readyz"), 503, "not_ready")
        assert detail.startswith(f"shop: {version}: ")
        assert restarted.get("/healthz").status_code == 200
        restarted.delete("/v1/collections/shop")
        assert restarted.get("/readyz").status_code == 200, "deleted, it is no problem"
