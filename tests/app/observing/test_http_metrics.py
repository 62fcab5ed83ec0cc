"""How requests fare, told in labels of which there are only so many."""

import asyncio

import pytest
from fastapi.testclient import TestClient

from app.observing.exchange import exchange_of
from app.observing.middleware import Observed
from tests.app.shop import search
from tests.app.test_health import samples

ROUTE = "/v1/collections/{collection}/search"


def test_requests_are_counted_by_route_and_status(shop: TestClient) -> None:
    search(shop, text="red")
    search(shop, text="red")
    shop.get("/v1/collections/none/search", params={"q": "red"})
    shop.head("/healthz")
    found = samples(shop)
    assert found["noongil_http_requests_total", ("POST", ROUTE, "200")] == 2
    assert found["noongil_http_requests_total", ("GET", ROUTE, "404")] == 1
    assert found["noongil_http_requests_total", ("HEAD", "/healthz", "200")] == 1
    assert found["noongil_http_seconds_count", (ROUTE,)] == 3


def test_addresses_that_anybody_makes_up_are_one_label(shop: TestClient) -> None:
    before = len(samples(shop))
    for number in range(30):
        shop.get(f"/v1/{number}")
        shop.request(f"MADE{number}", f"/static/{number}.js")
        shop.get(f"/v1/collections/{number}/search", params={"q": "red"})
    found = samples(shop)
    assert found["noongil_http_requests_total", ("GET", "other", "404")] == 30
    assert len(found) - before < 60


def test_a_client_that_leaves_is_counted_as_such(shop: TestClient) -> None:
    seen = []

    async def leave(scope: dict, _: object, __: object) -> None:
        seen.append(exchange_of(scope))
        raise asyncio.CancelledError

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "state": {"metrics": shop.app_state["metrics"]},
    }

    async def ask() -> None:
        with pytest.raises(asyncio.CancelledError):
            await Observed(leave, access_log=True)(scope, None, None)  # type: ignore[arg-type]

    asyncio.run(ask())
    assert seen[0].status == 499
    assert samples(shop)["noongil_http_requests_total", ("GET", "other", "499")] == 1
