"""Pages of other origins: none may call, unless settings name them; then they can read errors."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import ValidationError

from app.cli import main
from app.collections import service
from app.config import Settings
from indexer.catalog import db
from tests.app.keys import KEYS, bearer, created, guarded, make_key
from tests.app.shop import assert_problem, opened, served, take_away_database

SHOP, EVIL = "https://shop.example", "https://evil.example"
SEARCH = "/v1/collections/shop/search"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    db.upgrade(url)
    return url


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A server with keys that pages of SHOP may call."""
    allowed = guarded(settings, cors_origins=[SHOP], max_body_bytes=1000)
    with opened(allowed) as client:
        client.headers["Origin"] = SHOP
        yield client


def preflight(method: str, *headers: str, origin: str = SHOP) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ", ".join(headers),
    }


def allowed_origin(response: Response) -> str | None:
    return response.headers.get("access-control-allow-origin")


def test_a_browser_may_ask_and_call_over_a_real_connection(settings: Settings) -> None:
    """The two requests that a page's fetch() with a key is."""
    key = make_key(settings, "read")
    with served(guarded(settings, cors_origins=[SHOP])) as client:
        asked = client.options(SEARCH, headers=preflight("POST", "authorization", "content-type"))
        assert asked.status_code == 200, "without a key: browsers send none"
        assert allowed_origin(asked) == SHOP
        assert "POST" in asked.headers["access-control-allow-methods"]
        allowed = asked.headers["access-control-allow-headers"].lower()
        assert {"authorization", "content-type"} <= set(allowed.split(", "))
        called = client.get("/v1/collections", headers={"Origin": SHOP, **bearer(key)})
        assert (called.status_code, allowed_origin(called)) == (200, SHOP)
        exposed = called.headers["access-control-expose-headers"]
        assert set(exposed.split(", ")) == {"Location", "Retry-After", "X-Request-Id"}
        assert "access-control-allow-credentials" not in called.headers
        assert "Origin" in called.headers["vary"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_of_the_api_can_be_asked_for(client: TestClient, method: str) -> None:
    asked = client.options("/v1/collections", headers=preflight(method, "authorization"))
    assert asked.status_code == 200


def test_other_origins_are_told_no(client: TestClient) -> None:
    asked = client.options(SEARCH, headers=preflight("POST", origin=EVIL))
    assert (asked.status_code, allowed_origin(asked)) == (400, None)
    for origin in (EVIL, "http://shop.example", f"{SHOP}:8443", f"{SHOP}.evil.example", "null"):
        assert allowed_origin(client.get("/healthz", headers={"Origin": origin})) is None


def test_without_the_setting_no_origin_is_allowed(settings: Settings) -> None:
    with opened(settings) as client:
        asked = client.options(SEARCH, headers=preflight("POST", "content-type"))
        assert_problem(asked, 405, "method_not_allowed")
        called = client.get("/v1/collections", headers={"Origin": SHOP})
        assert not [name for name in called.headers if name.startswith("access-control")]


def test_every_origin_can_be_allowed(settings: Settings) -> None:
    with opened(guarded(settings, cors_origins=["*"])) as client:
        asked = client.options(SEARCH, headers=preflight("POST", "authorization", origin=EVIL))
        assert (asked.status_code, allowed_origin(asked)) == (200, "*")
        refused = client.get("/v1/collections", headers={"Origin": EVIL})
        assert (refused.status_code, allowed_origin(refused)) == (401, "*")
        assert "access-control-allow-credentials" not in refused.headers


def test_errors_can_be_read_by_the_page(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("from within")

    read, write = bearer(make_key(settings, "read", 3)), bearer(make_key(settings, "write"))
    json = {"Content-Type": "application/json"}
    assert_cross_origin(client.get("/v1/collections"), 401, "unauthorized")
    new = {"name": "mine"}
    forbidden = client.post("/v1/collections", json=new, headers=read)
    assert_cross_origin(forbidden, 403, "forbidden")
    assert_cross_origin(client.get("/v1/nothing"), 404, "not_found")
    large = client.post(SEARCH, content=b"x" * 1001, headers={**write, **json})
    assert_cross_origin(large, 413, "body_too_large")
    wrong = client.post(SEARCH, content=b"{", headers={**write, **json})
    assert_cross_origin(wrong, 422, "invalid_request")
    answers = [client.get("/v1/collections", headers=read) for _ in range(5)]
    assert_cross_origin(answers[-1], 429, "rate_limited")
    with monkeypatch.context() as patched:
        patched.setattr(service, "list_all", fail)
        fault = client.get("/v1/collections", headers=write)
    assert_cross_origin(fault, 500, "internal_error")
    take_away_database(client, settings.database_url)
    away = client.get("/v1/collections", headers=write)
    assert_cross_origin(away, 503, "catalog_unavailable")


def assert_cross_origin(response: Response, status: int, code: str) -> None:
    assert_problem(response, status, code)
    assert allowed_origin(response) == SHOP


def test_a_name_that_is_refused_is_told_so_across_origins(settings: Settings) -> None:
    with opened(settings.model_copy(update={"cors_origins": [SHOP]})) as client:
        response = client.get("/healthz", headers={"Origin": SHOP, "Host": "evil.example"})
        assert_cross_origin(response, 400, "host_not_allowed")


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost.evil.example", "http://[", ""])
def test_a_page_of_another_site_cannot_do_what_needs_no_answer(
    settings: Settings, origin: str
) -> None:
    """Browsers send a POST without a body, or a form's, without asking first."""
    with opened(settings) as client:
        key = created(client)["id"]
        for path in (f"{KEYS}/{key}/rotate", "/v1/admin/collections/shop/reindex"):
            response = client.post(path, headers={"Origin": origin})
            assert "NOONGIL_CORS_ORIGINS" in assert_problem(response, 403, "origin_not_allowed")
        assert len(client.get(KEYS, headers={"Origin": origin}).json()) == 1


@pytest.mark.parametrize("allowed", [[SHOP], ["*"]])
def test_pages_of_this_server_and_those_that_are_allowed_can(
    settings: Settings, allowed: list[str]
) -> None:
    with opened(settings.model_copy(update={"cors_origins": allowed})) as client:
        for origin in (SHOP, "http://localhost:8000", "http://[::1]:8000"):
            new = client.post(
                KEYS, json={"name": "shop", "scope": "read"}, headers={"Origin": origin}
            )
            assert new.status_code == 201


@pytest.mark.parametrize(
    "origins",
    [
        ["shop.example"],
        ["https://shop.example/"],
        ["https://shop.example/path"],
        ["https://shop.example?"],
        ["https://shop.example#"],
        ["https://user@shop.example"],
        ["https://*.example"],
        ["https://shop.example:"],
        ["https://shop.example:99999"],
        ["https://[::1"],
        ["https://"],
        ["https://눈길.example"],
        ["https://shop.example https://other.example"],
        ["ftp://shop.example"],
        ["null"],
        [""],
        ["*", "https://shop.example"],
    ],
)
def test_what_is_no_origin_is_refused_at_once(
    origins: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValidationError, match=r"is not an origin|stands alone"):
        Settings(cors_origins=origins)
    quoted = ", ".join(f'"{origin}"' for origin in origins)
    monkeypatch.setenv("NOONGIL_CORS_ORIGINS", f"[{quoted}]")
    monkeypatch.setattr(sys, "argv", ["noongil", "keys", "list"])
    with pytest.raises(SystemExit):
        main()
    error = capsys.readouterr().err
    assert error.startswith("error: NOONGIL_CORS_ORIGINS: ")
    assert error.count("\n") == 1


def test_origins_are_kept_as_browsers_send_them() -> None:
    written = ["HTTPS://Shop.Example:443", "http://localhost:5173", "http://[::1]:80"]
    kept = ["https://shop.example", "http://localhost:5173", "http://[::1]"]
    assert Settings(cors_origins=written).cors_origins == kept
