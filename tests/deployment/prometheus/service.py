"""The service as it is deployed, in processes of its own on loopback: a server that asks for keys,
an encoder, a worker of jobs; and a client that does of everything something.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from app.config import Settings
from tests.app.keys import bearer, make_key
from tests.app.servers import Process, free_port
from tests.app.shop import paint
from tests.waiting import until

SHOP = "/v1/collections/shop"

Scraped = dict[str, set[str]]
"""Name of a metric's samples → their labels."""

UNTOLD = "…"
"""Instead of labels, where a metric has no sample so far."""
_SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")


class Service:
    def __init__(self, addresses: dict[str, str], read_key: str, admin_key: str) -> None:
        self.addresses = addresses
        """Job → host and port."""
        self.read_key = read_key
        self.client = httpx.Client(
            base_url=f"http://{addresses['api']}", headers=bearer(admin_key), timeout=30
        )
        self._numbers = count()

    def scrape(self, job: str) -> Scraped:
        response = httpx.get(f"http://{self.addresses[job]}/metrics", headers=bearer(self.read_key))
        assert response.status_code == 200, response.text
        found: Scraped = defaultdict(set)
        for family in text_string_to_metric_families(response.text):
            for sample in family.samples:
                found[sample.name] |= sample.labels.keys()
            if not family.samples:
                found |= {f"{family.name}{suffix}": {UNTOLD} for suffix in _SUFFIXES}
        return found

    def begin(self, photos: Path) -> None:
        assert self.client.post("/v1/collections", json={"name": "shop"}).status_code == 201
        self._reindex(source=str(photos))
        until(lambda: self.client.get(SHOP).json()["active_version"])

    def use(self) -> None:
        """As many clients do, some of them wrongly."""
        call, number = self.client.request, next(self._numbers)
        for text in (f"빨강 {number}", "red"):
            call("GET", f"{SHOP}/search", params={"q": text})
        call("GET", f"{SHOP}/suggest", params={"prefix": "신"})
        call("GET", "/readyz")
        call("POST", "/v1/embed", json={"texts": [str(number)]})
        broken = {"file": ("a.jpg", b"no picture")}
        assert call("PUT", f"{SHOP}/images/broken", files=broken).status_code == 422
        assert call("GET", SHOP, headers=bearer("ng_unknown")).status_code == 401
        self._reindex(recall=0.9 if number % 2 else 0.95)

    def _reindex(self, **request: object) -> None:
        answer = self.client.post("/v1/admin/collections/shop/reindex", json=request)
        assert answer.status_code in {202, 409}, answer.text


@contextmanager
def service(folder: Path, migrated: Path) -> Iterator[Service]:
    """With the collection `shop`, on a copy of the SQLite database `migrated`."""
    database = f"sqlite:///{shutil.copy(migrated, folder / 'catalog.db')}"
    settings = Settings(data_dir=folder / "data", database_url=database)
    read, admin = (make_key(settings, scope).key for scope in ("read", "admin"))
    ports = {job: free_port() for job in ("api", "encoder", "jobs")}
    with ExitStack() as running:
        processes = [
            running.enter_context(process) for process in _processes(folder, settings, ports)
        ]
        for process in processes:
            until(lambda process=process: process.answers(f"{process.url}/readyz"))
        addresses = {job: f"127.0.0.1:{port}" for job, port in ports.items()}
        used = Service(addresses, read, admin)
        running.enter_context(used.client)
        used.begin(_photos(folder / "photos"))
        yield used


def _processes(folder: Path, settings: Settings, ports: dict[str, int]) -> Iterator[Process]:
    def noongil(*arguments: str, job: str, **options: object) -> Process:
        shared = {"data_dir": settings.data_dir, "database_url": settings.database_url}
        return Process(folder, *arguments, port=ports[job], **shared, **options)

    encoder = str(ports["encoder"])
    yield noongil("encoder", "--port", encoder, job="encoder")
    url = f"http://127.0.0.1:{encoder}"
    yield noongil("serve", job="api", auth="on", query_log="on", encoder_url=url)
    yield noongil("jobs", job="jobs", jobs_port=ports["jobs"])


def _photos(folder: Path) -> Path:
    for number in range(40):
        paint(folder / f"{number}.png", f"hsl({9 * number}, 80%, 50%)")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder
