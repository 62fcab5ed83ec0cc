"""The proxy: what it lets through, and what callers are told when it does not."""

import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest
import yaml
from fastapi import FastAPI, Request

from app.config import Settings
from app.problem_codes import CODES
from models.request_id import is_sane
from tests.app.raw_http import running
from tests.deployment.proxy import GENEROUS, ROOT, Nginx
from tests.deployment.topology.name_server import NameServer
from tests.deployment.upstream import Replica, replicas
from tests.waiting import until

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="nginx is not installed (a package of the system's)"
)

FIRST, SECOND, NOBODY = "127.0.8.1", "127.0.8.2", "127.0.8.9"
BATCH = "/v1/collections/shop/images:batch"
EVENTS = "/v1/admin/jobs/1/events"


class Names:
    """Which replicas there are, as Docker's name server would say."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)

    def __call__(self, name: str) -> list[str]:
        return self.addresses if name == "api" else []


@contextmanager
def proxied(
    folder: Path,
    port: int,
    names: Names,
    file: str = "nginx.conf",
    changes: Mapping[str, str] | None = None,
) -> Iterator[Nginx]:
    server = NameServer("127.0.0.1", names)
    try:
        with Nginx(folder, port, server.address, changes or {}).running(file) as nginx:
            yield nginx
    finally:
        server.close()


@pytest.fixture
def behind() -> Iterator[list[Replica]]:
    with replicas(FIRST, SECOND) as opened:
        yield opened


@pytest.fixture
def names() -> Names:
    return Names(FIRST)


@pytest.fixture
def nginx(tmp_path: Path, behind: list[Replica], names: Names) -> Iterator[Nginx]:
    with proxied(tmp_path, behind[0].port, names) as nginx:
        yield nginx


def require_problem(answer: httpx.Response, code: str) -> None:
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (CODES[code].status, code)
    assert answer.status_code == answer.json()["status"]
    assert is_sane(answer.headers["X-Request-Id"])
    retry = answer.headers.get("Retry-After")
    assert retry == ("1" if answer.status_code in {429, 503} else None)


def head_of_post(nginx: Nginx, path: str, length: int) -> socket.socket:
    """A connection on which the head of a request was sent, and nothing of its body."""
    url = httpx.URL(nginx.url)
    connection = socket.create_connection((url.host, url.port), GENEROUS)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}"
    connection.sendall(head.encode() + b"\r\n\r\n")
    return connection


def answer_on(connection: socket.socket) -> httpx.Response:
    with connection:
        answer = HTTPResponse(connection)
        answer.begin()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


@needs_nginx
@pytest.mark.parametrize(
    ("path", "limit"), [("/v1/embed", "max_body_bytes"), (BATCH, "max_batch_bytes")]
)
def test_a_body_may_be_as_large_as_the_application_takes_and_no_larger(
    nginx: Nginx, behind: list[Replica], path: str, limit: str
) -> None:
    most = getattr(Settings(), limit)
    require_problem(answer_on(head_of_post(nginx, path, most + 1)), "body_too_large")
    assert not behind[0].body_arrived.is_set()
    with head_of_post(nginx, path, most) as connection:
        connection.sendall(b"a line\n")
        assert behind[0].body_arrived.wait(GENEROUS), "a body is not kept until it is whole"


@needs_nginx
def test_the_events_of_a_job_arrive_as_they_happen(nginx: Nginx, behind: list[Replica]) -> None:
    compressed = {"Accept-Encoding": "gzip"}
    with httpx.stream("GET", nginx.url + EVENTS, headers=compressed, timeout=GENEROUS) as answer:
        assert "Content-Encoding" not in answer.headers
        lines = answer.iter_lines()
        assert next(lines) == "data: 1"
        behind[0].may_go_on.set()
        assert list(lines)[-2:] == ["data: 2", ""]


@needs_nginx
@pytest.mark.parametrize("addresses", [[], [NOBODY]], ids=["unknown", "dead"])
def test_callers_are_told_to_come_back_while_no_replica_answers(
    nginx: Nginx, names: Names, addresses: list[str]
) -> None:
    names.addresses = addresses
    until(lambda: httpx.get(nginx.url).status_code == 503)
    require_problem(httpx.get(nginx.url + "/v1/collections"), "not_ready")
    assert httpx.get(nginx.health_url + "/readyz").status_code >= 500


@needs_nginx
def test_no_request_fails_because_a_replica_is_gone(tmp_path: Path, behind: list[Replica]) -> None:
    names = Names(FIRST, NOBODY)
    with proxied(tmp_path, behind[0].port, names) as nginx, httpx.Client() as client:
        for _ in range(20):
            assert client.get(nginx.url).status_code == 200
            assert client.post(nginx.url, content=b"a body").status_code == 200
        asked = [json.loads(line)["upstream"] for line in nginx.logged().splitlines()]
    assert any("," in upstream for upstream in asked), "the one that is gone was tried too"


@needs_nginx
def test_a_replica_that_comes_gets_its_share(nginx: Nginx, names: Names) -> None:
    with httpx.Client(base_url=nginx.url) as client:
        assert client.get("/").json()["at"] == FIRST
        names.addresses.append(SECOND)
        until(lambda: client.get("/").json()["at"] == SECOND)
        assert FIRST in {client.get("/").json()["at"] for _ in range(30)}


@needs_nginx
@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6Detrics", "/v1/../metrics"])
def test_the_metrics_are_not_public(nginx: Nginx, path: str) -> None:
    url = httpx.URL(nginx.url)
    with socket.create_connection((url.host, url.port), GENEROUS) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        require_problem(answer_on(connection), "not_found")


@needs_nginx
def test_a_client_cannot_say_that_it_is_another(nginx: Nginx) -> None:
    lies = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=203.0.113.9",
        "Host": "photos.example",
    }
    seen = httpx.get(nginx.url, headers=lies).json()["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    assert "forwarded" not in seen
    assert seen["host"] == "photos.example"


@needs_nginx
def test_the_application_knows_who_the_client_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it counts by client would else count the proxy."""
    trusted = compose("api")["environment"]["FORWARDED_ALLOW_IPS"]
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    settings = Settings(data_dir=tmp_path, port=0, log_level="warning")
    with (
        running(application_that_tells(settings), settings) as server,
        proxied(tmp_path, server.port, Names("127.0.0.1")) as nginx,
        httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.9.9")) as client,
    ):
        spoofed = {"X-Forwarded-For": "203.0.113.9"}
        assert client.get(nginx.url, headers=spoofed).json() == "127.0.9.9"


def application_that_tells(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Settings]]:
        yield {"settings": settings}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    def who(request: Request) -> str:
        return request.client.host if request.client else ""

    return app


@needs_nginx
def test_one_address_cannot_take_all_there_is(tmp_path: Path, behind: list[Replica]) -> None:
    few = {"rate=200r/s": "rate=1r/m", "burst=400": "burst=2"}
    with proxied(tmp_path, behind[0].port, Names(FIRST), changes=few) as nginx:
        for _ in range(3):
            assert httpx.get(nginx.url).status_code == 200
        require_problem(httpx.get(nginx.url), "rate_limited")


@needs_nginx
def test_a_request_can_be_found_in_the_logs_of_both(nginx: Nginx) -> None:
    kept = httpx.get(nginx.url, headers={"X-Request-Id": "shop-42"}).json()["headers"]
    assert kept["x-request-id"] == "shop-42"
    made = httpx.get(nginx.url, headers={"X-Request-Id": 'forged"} {"'}).json()["headers"]
    assert is_sane(made["x-request-id"])
    lines = [json.loads(line) for line in nginx.logged().splitlines()]
    assert [line["request_id"] for line in lines] == ["shop-42", made["x-request-id"]]


@needs_nginx
@pytest.mark.parametrize("own", ["x" * 64, "x" * 65, "a.b_C-9", "a:b", "한글", ""])
def test_both_take_the_same_ids_for_sane(nginx: Nginx, own: str) -> None:
    headers = {"X-Request-Id": own.encode()}
    passed = httpx.get(nginx.url, headers=headers).json()["headers"]["x-request-id"]
    assert (passed == own) == is_sane(own)


@needs_nginx
def test_what_the_application_answers_passes_as_it_is(nginx: Nginx) -> None:
    refused = httpx.get(nginx.url + "/refused")
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.headers.get_list("Retry-After") == ["7"]
    assert refused.headers.get_list("X-Request-Id") == ["of the application"]
    path = "/v1/collections/%EC%98%B7/images/a%2Fb%20c?q=%25&x=1"
    assert httpx.get(nginx.url + path).json()["path"] == path


@needs_nginx
def test_json_is_compressed(nginx: Nginx) -> None:
    answer = httpx.get(nginx.url + "/long", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "한글" in answer.json()["padding"]


@needs_nginx
def test_a_head_may_be_as_long_as_the_application_reads(nginx: Nginx) -> None:
    assert httpx.get(nginx.url, headers={"X-Long": "x" * 60_000}).status_code == 200
    require_problem(httpx.get(nginx.url, headers={"X-Long": "x" * 70_000}), "head_too_large")


@needs_nginx
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_with_tls_everything_is_encrypted(tmp_path: Path, behind: list[Replica]) -> None:
    files = ["-keyout", "noongil_tls_key", "-out", "noongil_tls_certificate"]
    subject = ["-subj", "/CN=noongil.test", "-addext", "subjectAltName=DNS:noongil.test"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    with proxied(tmp_path, behind[0].port, Names(FIRST), "tls.conf") as nginx:
        trust = ssl.create_default_context(cafile=tmp_path / "noongil_tls_certificate")
        with httpx.Client(verify=trust) as client:
            answer = client.get(nginx.tls_url, extensions={"sni_hostname": "noongil.test"})
        assert answer.json()["headers"]["x-forwarded-proto"] == "https"
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        plain = httpx.get(nginx.url + "/v1/collections?limit=3", headers={"Host": "a.example"})
        assert plain.status_code == 308
        assert plain.headers["Location"] == "https://a.example/v1/collections?limit=3"


def test_every_refusal_is_one_that_clients_know() -> None:
    """The codes are the application's, and stand for the same statuses."""
    text = (ROOT / "docker" / "nginx" / "problems.conf").read_text()
    said = re.findall(r"return (\d+) '(.+)';", text)
    assert said
    for status, body in said:
        problem = json.loads(body)
        code = CODES[problem["code"]]
        assert int(status) == problem["status"] == code.status
        assert problem["title"] == HTTPStatus(code.status).phrase
        assert problem["type"] == f"urn:noongil:problem:{problem['code']}"


def compose(service: str) -> Mapping[str, dict[str, str]]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    entry: Mapping[str, dict[str, str]] = document["services"][service]
    return entry
