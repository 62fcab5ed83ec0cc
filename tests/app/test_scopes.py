"""Every route of the application, asked with every kind of key: nothing answers by oversight."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.routing import Mount

from app.auth.route import GuardedRoute, Unguarded, require_guarded
from app.auth.scopes import Scope, needs, scope_of
from app.config import Settings
from app.main import create_app
from indexer.catalog import db
from tests.app.keys import bearer, expire, guarded, make_key
from tests.app.shop import assert_problem, opened

OPEN, READ, WRITE, ADMIN = Scope

COLLECTION = "/v1/collections/{collection}"
IMAGE = f"{COLLECTION}/images/{{key}}"
JOB = "/v1/admin/jobs/{job_id}"
VERSIONS = "/v1/admin/collections/{collection}/versions"

EXPECTED = {
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): READ,
    ("GET", "/openapi.json"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/docs/oauth2-redirect"): OPEN,
    ("GET", "/redoc"): OPEN,
    ("GET", "/"): OPEN,
    ("GET", "/admin"): OPEN,
    ("GET", "/static"): OPEN,
    ("GET", "/v1/collections"): READ,
    ("POST", "/v1/collections"): ADMIN,
    ("GET", COLLECTION): READ,
    ("DELETE", COLLECTION): ADMIN,
    ("GET", f"{COLLECTION}/search"): READ,
    ("POST", f"{COLLECTION}/search"): READ,
    ("GET", f"{COLLECTION}/suggest"): READ,
    ("GET", IMAGE): READ,
    ("GET", f"{IMAGE}/thumbnail"): READ,
    ("GET", f"{IMAGE}/similar"): READ,
    ("PUT", IMAGE): WRITE,
    ("PATCH", IMAGE): WRITE,
    ("DELETE", IMAGE): WRITE,
    ("POST", f"{COLLECTION}/images:batch"): WRITE,
    ("POST", "/v1/embed"): READ,
    ("POST", "/v1/classify"): READ,
    ("GET", "/v1/admin/jobs"): ADMIN,
    ("GET", JOB): ADMIN,
    ("GET", f"{JOB}/events"): ADMIN,
    ("POST", f"{JOB}/cancel"): ADMIN,
    ("POST", "/v1/admin/collections/{collection}/reindex"): ADMIN,
    ("GET", VERSIONS): ADMIN,
    ("POST", f"{VERSIONS}/{{version}}/activate"): ADMIN,
    ("POST", "/v1/admin/keys"): ADMIN,
    ("GET", "/v1/admin/keys"): ADMIN,
    ("DELETE", "/v1/admin/keys/{key_id}"): ADMIN,
    ("POST", "/v1/admin/keys/{key_id}/rotate"): ADMIN,
}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    db.upgrade(url)
    return url


class Callers(NamedTuple):
    client: TestClient
    keys: dict[str, str | None]


@pytest.fixture
def callers(settings: Settings) -> Iterator[Callers]:
    read, write, admin = (make_key(settings, scope) for scope in ("read", "write", "admin"))
    expired = make_key(settings, "admin")
    expire(settings, expired.id)
    forged = f"ng_{admin.id}_{read.key.rpartition('_')[2]}"
    keys = {
        "no": None,
        "forged": forged,
        "unknown": f"{'ng_':0<15}_{'0' * 43}",
        "expired": expired.key,
        "read": read.key,
        "write": write.key,
        "admin": admin.key,
    }
    with opened(guarded(settings)) as client:
        yield Callers(client, keys)


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of each, but HEAD, which is answered as GET is."""
    found = []
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, Mount):
            found.append(("GET", str(route.path)))
        else:
            methods = sorted((route.methods or {"WEBSOCKET"}) - {"HEAD"})
            found += [(method, str(route.path_format)) for method in methods]
    return found


def status_for(caller: str, needed: Scope) -> set[int]:
    """What may not be answered otherwise."""
    if needed is OPEN:
        return set()
    if caller not in {"read", "write", "admin"}:
        return {401}
    return set() if Scope[caller.upper()] >= needed else {403}


def test_every_route_is_in_the_table_of_scopes() -> None:
    missing = [route for route in routes_of(create_app()) if route not in EXPECTED]
    assert not missing, (
        f"who may call {missing}? Write it into EXPECTED here, and declare it by @needs there"
    )


def test_every_route_asks_for_its_scope_and_no_more(callers: Callers) -> None:
    wrong = []
    for method, path in routes_of(create_app()):
        needed = EXPECTED[method, path]
        for caller, key in callers.keys.items():
            # A body that nobody may read as JSON: who is refused is refused before that.
            response = callers.client.request(
                method,
                path.format_map(_Nothing()),
                content=b"{" if method in {"POST", "PUT", "PATCH"} else None,
                headers=bearer(key) if key else {},
            )
            refusal = status_for(caller, needed)
            answered = {response.status_code} & {401, 403}
            if answered != refusal or response.status_code == 500:
                wrong.append((method, path, caller, response.status_code))
    assert not wrong


class _Nothing(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "nothing"


def test_refusals_say_what_is_needed(callers: Callers) -> None:
    client, keys = callers
    response = client.get("/v1/collections")
    assert "Authorization: Bearer" in assert_problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    for caller in ("forged", "unknown"):
        response = client.get("/v1/collections", headers=bearer(str(keys[caller])))
        assert "revoked" in assert_problem(response, 401, "unauthorized")
    response = client.get("/v1/collections", headers=bearer(str(keys["expired"])))
    assert "has expired" in assert_problem(response, 401, "unauthorized")
    response = client.delete("/v1/collections/shop", headers=bearer(str(keys["write"])))
    detail = assert_problem(response, 403, "forbidden")
    assert "admin" in detail
    assert "write" in detail


def test_refusals_are_counted_by_reason(callers: Callers) -> None:
    client, keys = callers
    client.get("/v1/collections")
    client.get("/v1/collections", headers=bearer("nonsense"))
    client.delete("/v1/collections/shop", headers=bearer(str(keys["read"])))
    metrics = client.get("/metrics", headers=bearer(str(keys["read"]))).text
    assert 'noongil_refused_requests_total{reason="unauthorized"} 2.0' in metrics
    assert 'noongil_refused_requests_total{reason="forbidden"} 1.0' in metrics


def test_an_address_that_is_not_there_needs_no_key(callers: Callers) -> None:
    assert_problem(callers.client.get("/v1/nothing"), 404, "not_found")


def test_the_schema_names_the_scope_of_each_operation() -> None:
    schema = create_app().openapi()
    scheme = schema["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            needed = EXPECTED[method.upper(), path]
            assert operation.get("security") == (
                None if needed is OPEN else [{"key": [needed.label]}]
            ), path


def test_an_endpoint_that_declares_nothing_is_for_administrators() -> None:
    def forgotten() -> None: ...

    assert scope_of(forgotten) is ADMIN
    assert scope_of(needs(READ)(forgotten)) is READ


def test_an_application_with_a_route_that_asks_for_no_key_does_not_start() -> None:
    app, router = FastAPI(), APIRouter()
    guarded_router = APIRouter(route_class=GuardedRoute)

    @guarded_router.get("/one")
    def one() -> None: ...

    @router.get("/two")
    def two() -> None: ...

    app.include_router(guarded_router)
    require_guarded(app)
    app.include_router(router, prefix="/within")
    with pytest.raises(Unguarded, match=r"^/within/two asks for no key"):
        require_guarded(app)
