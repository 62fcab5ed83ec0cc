"""What the application's tests share: indexing as another process would, and looking at answers."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import uvicorn
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import create_engine, make_url, text

from app.config import Settings
from app.main import create_app
from app.server import options
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.indexing_run import IndexSummary
from indexer.layout import CollectionFolder
from indexer.lease import hold
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from indexer.writing import IndexingOptions
from models.types import Encoder
from tests.tiny_encoder import TinyEncoder


@contextmanager
def opened(settings: Settings) -> Iterator[TestClient]:
    """The application, started, answering to calls instead of a socket."""
    app = create_app(settings)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


@contextmanager
def served(settings: Settings) -> Iterator[httpx.Client]:
    """The application on a real socket of this machine."""
    as_shipped = {**options(settings), "host": "127.0.0.1", "port": 0, "log_level": "error"}
    server = uvicorn.Server(uvicorn.Config(create_app(settings), **as_shipped))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def index(
    settings: Settings, folder: Path, name: str = "shop", encoder: Encoder | None = None
) -> IndexSummary:
    """Index with a catalog connection of its own, as another process would."""
    database = Database(settings.database_url)
    try:
        options = EmbedOptions(DecodeLimits(), threads=2, batch_size=8)
        indexing = Indexing(
            database,
            settings.data_dir,
            IndexingOptions(options, keep_versions=settings.keep_versions),
        )
        source = FolderSource(folder)
        return indexing.run(name, source, encoder or TinyEncoder(), Silent(), recall=0.95)
    finally:
        database.close()


def refresh(client: TestClient) -> None:
    client.app_state["serving"].refresh()


def paint(path: Path, colour: str, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def search(client: httpx.Client, **request: object) -> list[str]:
    """The ids that a search of `shop` answers with."""
    response = client.post("/v1/collections/shop/search", json=request)
    assert response.status_code == 200, response.text
    return [hit["id"] for hit in response.json()["hits"]]


def image_url(key: str, rest: str = "", collection: str = "shop") -> str:
    return f"/v1/collections/{quote(collection, safe='')}/images/{quote(key)}{rest}"


def assert_problem(response: httpx.Response, status: int, code: str) -> str:
    """RFC 9457, whatever went wrong; answers the detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "code", "detail"} <= problem.keys()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:noongil:problem:{code}"
    assert ("retry-after" in response.headers) == (status in {429, 503})
    return str(problem["detail"])


def damage(settings: Settings, version: str) -> None:
    """Flip a bit in each file of a version but its manifest."""
    (folder,) = settings.data_dir.glob(f"collections/*/versions/{version}")
    for path in folder.iterdir():
        if path.suffix != ".json":
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)


def collection_folder(settings: Settings, name: str = "shop") -> CollectionFolder:
    (root,) = settings.data_dir.glob(f"collections/{name}-*")
    return CollectionFolder(root)


def take_away_database(client: TestClient, url: str) -> None:
    """What an outage looks like to a server that has the database open."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        client.app_state["database"].close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{parsed.database}{suffix}").unlink(missing_ok=True)
        Path(str(parsed.database)).write_bytes(b"no database at all\n" * 500)
        return
    admin = parsed.set(drivername="postgresql+psycopg", database="postgres")
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = parsed.database
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
    engine.dispose()


@contextmanager
def at_work(settings: Settings) -> Iterator[None]:
    """Another process indexes the collection meanwhile."""
    database = Database(settings.database_url)
    with database.read() as session:
        owner = repository.collection(session, "shop")
    with hold(database, owner.id):
        yield
    database.close()
