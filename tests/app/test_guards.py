"""Who is let in while there is no authentication: this machine, by its own names."""

import socket
import sys

import pytest
from fastapi.testclient import TestClient

from app.cli import main
from app.config import Settings
from app.listening import CannotServe, require_free
from app.server import run
from indexer.catalog import db
from tests.app.shop import assert_problem, opened, served
from tests.app.uploads import in_base64, png


@pytest.fixture
def database_url(tmp_path: object) -> str:
    url = f"sqlite:///{tmp_path}/catalog.db"
    db.upgrade(url)
    return url


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1:8000", "[::1]", "[::1]:8000"]
)
def test_this_machines_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/v1/collections", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:localhost",
        "localhost:80:80",
        "localhost@evil.example",
        "[::1",
        "",
        "눈길".encode().decode("latin-1"),
    ],
)
def test_a_name_that_was_rebound_to_this_machine_is_not(client: TestClient, host: str) -> None:
    for path in ("/v1/collections", "/", "/metrics", "/healthz"):
        response = client.get(path, headers={"Host": host.encode("latin-1")})
        assert "NOONGIL_ALLOWED_HOSTS" in assert_problem(response, 400, "host_not_allowed")


def test_names_can_be_allowed(settings: Settings) -> None:
    with opened(settings.model_copy(update={"allowed_hosts": ["Photos.home"]})) as client:
        assert client.get("/healthz", headers={"Host": "photos.home:80"}).status_code == 200
        assert client.get("/healthz").status_code == 400


def test_an_open_server_answers_to_every_name(settings: Settings) -> None:
    with opened(settings.model_copy(update={"allow_open": True})) as client:
        assert client.get("/healthz", headers={"Host": "photos.example"}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "photos.example"])  # noqa: S104
def test_no_one_is_let_in_from_outside_unless_told(settings: Settings, host: str) -> None:
    with pytest.raises(CannotServe, match="NOONGIL_ALLOW_OPEN"):
        run(settings.model_copy(update={"host": host}))


def test_a_port_that_is_taken_is_said_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotServe, match=f"127.0.0.1:{port}"):
            require_free("127.0.0.1", port)
        monkeypatch.setattr(sys, "argv", ["noongil", "demo", "no-such-folder", "--port", str(port)])
        with pytest.raises(SystemExit) as exit_:
            main()
    assert exit_.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: cannot listen on 127.0.0.1:{port}")
    assert error.count("\n") == 1


def test_a_real_server_guards_its_name_too(settings: Settings) -> None:
    with served(settings) as client:
        assert client.get("/readyz").status_code == 200
        assert client.head("/readyz").status_code == 200
        rebound = client.get("/v1/collections", headers={"Host": "evil.example"})
        assert_problem(rebound, 400, "host_not_allowed")


def test_paths_that_are_not_utf_8_are_refused(shop: TestClient) -> None:
    """Read leniently, two ids would be one, and a write would go to another's image."""
    red = {"base64": in_base64(png("red"))}
    for key in ("%ff", "%ed%a0%80", "a%EF%BF"):
        refused = shop.put(f"/v1/collections/shop/images/{key}", json=red)
        assert_problem(refused, 400, "bad_request")
    put = shop.put("/v1/collections/shop/images/%EF%BF%BD", json=red)
    assert (put.status_code, put.json()["id"]) == (201, "\ufffd")
