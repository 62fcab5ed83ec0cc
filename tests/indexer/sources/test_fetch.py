"""Pictures of the web: none but the one that was meant, in bounded size and time."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from indexer.errors import Rejected, RejectReason
from indexer.sources.web.fetch import Fetcher, FetchOptions
from tests.indexer.sources.picture_server import Handler, PictureServer, picture_server
from tests.indexer.sources.source_entries import FILM, PNG

LOOPBACK = FetchOptions(
    allowed_networks=("127.0.0.0/8",), read_seconds=5.0, total_seconds=5.0, backoff_seconds=0.001
)
MAX_BYTES = 1_000_000


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with picture_server() as running:
        yield running


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def fetcher_with() -> Iterator[Callable[..., Fetcher]]:
    """Makes fetchers and closes them."""
    with ExitStack() as stack:
        yield lambda options=LOOPBACK, **seams: stack.enter_context(
            closing(Fetcher(options, **seams))
        )


@pytest.fixture
def fetcher(fetcher_with: Callable[..., Fetcher], slept: list[float]) -> Fetcher:
    return fetcher_with(sleep=slept.append)


def refusal(fetcher: Fetcher, url: str) -> Rejected:
    with pytest.raises(Rejected) as caught:
        fetcher.picture(url, MAX_BYTES)
    return caught.value


def test_a_picture_is_fetched_whole(server: PictureServer, fetcher: Fetcher) -> None:
    large = PNG + bytes(300_000)
    url = server.put("/%EC%82%AC%EC%A7%84%201.png?v=1", large)
    assert fetcher.picture(f"{server.url}/사진 1.png?v=1", MAX_BYTES) == large
    assert fetcher.picture(url, MAX_BYTES) == large


@pytest.mark.parametrize(
    ("status", "reason", "tries"),
    [
        (404, RejectReason.GONE, 1),
        (410, RejectReason.GONE, 1),
        (401, RejectReason.FETCH_FAILED, 1),
        (403, RejectReason.FETCH_FAILED, 1),
        (304, RejectReason.FETCH_FAILED, 1),
        (500, RejectReason.FETCH_FAILED, 3),
        (503, RejectReason.FETCH_FAILED, 3),
        (429, RejectReason.FETCH_FAILED, 3),
    ],
)
def test_only_what_may_pass_is_tried_again(
    server: PictureServer, fetcher: Fetcher, status: int, reason: RejectReason, tries: int
) -> None:
    rejected = refusal(fetcher, server.put("/a.png?secret", status=status))
    assert rejected.reason is reason
    assert str(status) in rejected.detail
    assert "secret" not in rejected.detail
    assert server.asked["/a.png?secret"] == tries


def test_a_picture_that_comes_at_the_third_try_is_taken(
    server: PictureServer, fetcher: Fetcher, slept: list[float]
) -> None:
    url = server.then(
        "/a.png",
        lambda handler: handler.answer(502, {}, b""),
        lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
        lambda handler: handler.answer(200, {}, PNG),
    )
    assert fetcher.picture(url, MAX_BYTES) == PNG
    first, second = slept
    assert 0.0005 <= first <= 0.0015
    assert 0.001 <= second <= 0.003


def _in_seconds(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("wish", [lambda: "2", lambda: _in_seconds(3)])
def test_a_host_is_left_alone_as_long_as_it_asks(
    server: PictureServer, fetcher: Fetcher, slept: list[float], wish: Callable[[], str]
) -> None:
    url = server.then(
        "/a.png",
        lambda handler: handler.answer(429, {"Retry-After": wish()}, b""),
        lambda handler: handler.answer(200, {}, PNG),
    )
    assert fetcher.picture(url, MAX_BYTES) == PNG
    assert 1 < slept[0] <= 3


def test_a_host_that_asks_for_a_day_is_asked_nothing_more(
    server: PictureServer, fetcher: Fetcher, slept: list[float]
) -> None:
    url = server.put("/a.png", status=503, Retry_After="86400")
    other = server.put("/b.png", PNG)
    assert "pause of 86400 s" in refusal(fetcher, url).detail
    assert refusal(fetcher, other).reason is RejectReason.FETCH_FAILED
    assert server.asked == {"/a.png": 1}
    assert not slept


def test_one_host_is_asked_four_things_at_once(
    fetcher_with: Callable[..., Fetcher], server: PictureServer
) -> None:
    busy: list[int] = []
    under_way = 0
    all_four = threading.Barrier(4)

    def slow(handler: Handler) -> None:
        nonlocal under_way
        with server.lock:
            under_way += 1
            busy.append(under_way)
        all_four.wait(timeout=10)
        with server.lock:
            under_way -= 1
        handler.answer(200, {}, PNG)

    server.pages["/slow.png"] = slow
    fetcher = fetcher_with()
    with ThreadPoolExecutor(12) as pool:
        found = pool.map(lambda _: fetcher.picture(f"{server.url}/slow.png", MAX_BYTES), range(12))
        assert set(found) == {PNG}
    assert max(busy) == 4


def test_a_film_costs_a_page(server: PictureServer, fetcher: Fetcher) -> None:
    sent = 0

    def film(handler: Handler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        for _ in range(2000):
            handler.wfile.write(FILM + bytes(50_000))
            sent += 50_000

    server.pages["/film.png"] = film
    assert refusal(fetcher, f"{server.url}/film.png").reason is RejectReason.NOT_AN_IMAGE
    assert sent < 20_000_000, "what the sockets hold, not the film"


@pytest.mark.parametrize("declared", [True, False])
def test_what_is_too_large_is_not_kept(
    server: PictureServer, fetcher: Fetcher, *, declared: bool
) -> None:
    body = PNG + bytes(2 * MAX_BYTES)
    url = server.put("/a.png", body)
    if not declared:
        url = server.put("/a.png", body, Content_Length="", Connection="close")
        server.pages["/a.png"] = _without_length(body)
    assert refusal(fetcher, url).reason is RejectReason.FILE_TOO_LARGE


def _without_length(body: bytes, status: int = 200) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return answer


def test_a_body_that_is_cut_is_not_a_picture(server: PictureServer, fetcher: Fetcher) -> None:
    def cut(handler: Handler) -> None:
        handler.answer(200, {"Content-Length": str(len(PNG) + 1)}, PNG)
        handler.close_connection = True

    server.pages["/a.png"] = cut
    assert refusal(fetcher, f"{server.url}/a.png").reason is RejectReason.FETCH_FAILED
    assert server.asked["/a.png"] == 3


def test_a_server_that_drips_is_left(
    fetcher_with: Callable[..., Fetcher], server: PictureServer
) -> None:
    stop = threading.Event()

    def drip(handler: Handler) -> None:
        while not stop.wait(0.02):
            handler.wfile.write(b"X")

    server.pages["/a.png"] = drip
    options = FetchOptions(("127.0.0.0/8",), total_seconds=0.3, backoff_seconds=0.001)
    assert refusal(fetcher_with(options), f"{server.url}/a.png").reason is RejectReason.FETCH_FAILED
    stop.set()


def test_redirects_are_followed_and_counted(server: PictureServer, fetcher: Fetcher) -> None:
    server.put("/신발.png", status=404)
    server.put("/%EC%8B%A0%EB%B0%9C.png", PNG)
    for hop in range(1, 6):
        to = f"/{hop - 1}" if hop > 1 else "/신발.png"
        server.pages[f"/{hop}"] = _redirect(to)
    server.pages["/6"] = _redirect("/5")
    assert fetcher.picture(f"{server.url}/5", MAX_BYTES) == PNG
    assert "5 redirects" in refusal(fetcher, f"{server.url}/6").detail


@pytest.mark.parametrize("to", ["http://[bad", "//]/", "http://a℀b/", "http://127.0.0.1:x/"])
def test_a_redirect_to_nowhere_costs_its_picture_alone(
    server: PictureServer, fetcher: Fetcher, to: str
) -> None:
    server.pages["/a.png"] = _redirect(to)
    assert refusal(fetcher, f"{server.url}/a.png").reason is RejectReason.ADDRESS_REFUSED


def test_a_part_that_nobody_asked_for_is_not_the_picture(
    server: PictureServer, fetcher: Fetcher
) -> None:
    server.pages["/a.png"] = _without_length(PNG, 206)
    assert refusal(fetcher, f"{server.url}/a.png").reason is RejectReason.FETCH_FAILED


def _redirect(to: str) -> Callable[[Handler], None]:
    # http.server writes latin-1: this is how UTF-8 gets through, as it does from real servers.
    location = to.encode().decode("latin-1")
    return lambda handler: handler.answer(302, {"Location": location}, b"")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/a.png",
        "file:///etc/passwd",
        "http://name:word@127.0.0.1/a.png",
        "http:///a.png",
        "http://a\x00b/",
        "//127.0.0.1/a.png",
    ],
)
def test_what_is_no_plain_url_is_refused_also_as_a_redirect(
    server: PictureServer, fetcher: Fetcher, url: str
) -> None:
    assert refusal(fetcher, url).reason is RejectReason.ADDRESS_REFUSED
    if url.isprintable() and not url.startswith(("//", "http:///")):
        server.pages["/r"] = _redirect(url)
        assert refusal(fetcher, f"{server.url}/r").reason is RejectReason.ADDRESS_REFUSED


def test_loopback_is_refused_under_every_name(
    fetcher_with: Callable[..., Fetcher], server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("ALL_PROXY", server.url)
    fetcher = fetcher_with(FetchOptions(tries=1))
    for host in ("127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "[::1]"):
        rejected = refusal(fetcher, f"http://{host}:{server.server_port}/a.png")
        assert rejected.reason in {RejectReason.ADDRESS_REFUSED, RejectReason.FETCH_FAILED}, host
    assert not server.asked, "nobody has connected"


def test_a_redirect_to_a_private_address_is_refused(
    fetcher_with: Callable[..., Fetcher], server: PictureServer
) -> None:
    server.pages["/r"] = _redirect(f"http://metadata.test:{server.server_port}/secret")
    known = {"127.0.0.1": ["127.0.0.1"], "metadata.test": ["169.254.169.254"]}
    fetcher = fetcher_with(resolve=lambda host, _: known[host])
    rejected = refusal(fetcher, f"{server.url}/r")
    assert rejected.reason is RejectReason.ADDRESS_REFUSED
    assert rejected.detail == "metadata.test is at 169.254.169.254"


def test_a_name_that_changes_its_address_gains_nothing(
    fetcher_with: Callable[..., Fetcher], server: PictureServer
) -> None:
    """The address that was checked is the one connected to: the name is resolved once."""
    server.put("/a.png", PNG)
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    fetcher = fetcher_with(resolve=lambda *_: next(answers))
    assert fetcher.picture(f"http://pictures.test:{server.server_port}/a.png", MAX_BYTES) == PNG
    assert next(answers) == ["169.254.169.254"], "not asked a second time"


def test_of_several_addresses_the_permitted_ones_are_tried(
    fetcher_with: Callable[..., Fetcher], server: PictureServer
) -> None:
    server.put("/a.png", PNG)
    addresses = ["10.0.0.1", "127.0.0.77", "127.0.0.1"]
    fetcher = fetcher_with(resolve=lambda *_: addresses)
    assert fetcher.picture(f"http://pictures.test:{server.server_port}/a.png", MAX_BYTES) == PNG


def test_a_name_without_an_address_is_a_failure_that_may_pass(
    fetcher_with: Callable[..., Fetcher], slept: list[float]
) -> None:
    def unknown(host: str, _: int) -> list[str]:
        raise OSError(f"no such host {host}")

    fetcher = fetcher_with(resolve=unknown, sleep=slept.append)
    assert refusal(fetcher, "http://nowhere.test/a.png").reason is RejectReason.FETCH_FAILED
    assert len(slept) == 2
