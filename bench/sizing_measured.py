"""What of an image can be measured on one machine: its rows, its share of an index, its thumbnails.

python -m bench.sizing_measured [--only rows versions thumbnails] [--rows 100000]
                                [--sizes 10000 100000 1000000] [--cache data/bench]

rows        bytes of an image's rows and of what finds them, in SQLite and in PostgreSQL: hashes in
            no order, a key, a URL, six attributes, an embedding that lies in a shard
versions    of clustered vectors of 768 dimensions, built and opened as by `bench.index`: seconds on
            two threads, bytes on disk and in memory, and their ratio to what `bench.scale` says
thumbnails  bytes of the thumbnails of scikit-image's photos
"""

import argparse
import io
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

import pgserver
import skimage.data
from PIL import Image as Picture
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, text

from app.images.thumbnails import SIZES as SIDES
from bench.index_build import THREADS, Bench
from bench.index_data import Dataset, K
from bench.index_memory import anonymous_bytes, in_fresh_process
from bench.scale import COLUMNS, Size
from indexer.backends.opening import open_version
from indexer.catalog import db, repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Embedding, Image, Shard, Source
from models.types import EncoderSpec

_DIM = 768
_SHARD_ROWS = 4_096
_HASH = "f" * 64
_MB = 1e6


def report_rows(given: argparse.Namespace) -> None:
    table = Table("rows and their indexes", "bytes an image", title=f"{given.rows:,} images")
    with tempfile.TemporaryDirectory(dir=given.cache) as name:
        path = Path(name) / "catalog.db"
        _fill(f"sqlite:///{path}", given.rows)
        table.add_row("SQLite", f"{path.stat().st_size / given.rows:,.0f}")
    with _postgres() as url:
        _fill(url, given.rows)
        for relation, size in _relations(url):
            table.add_row(f"PostgreSQL, {relation}", f"{size / given.rows:,.0f}")
    Console(width=100).print(table)


def _fill(url: str, rows: int) -> None:
    db.upgrade(url)
    database = Database(url)
    spec = EncoderSpec("bench", 768, 224, _HASH, "Apache-2.0", ("ko", "en"), (64,))
    with database.write() as session:
        owner = repository.add_collection(session, "shop", spec.id, spec, 0.95)
        session.add(Source(id=1, collection_id=owner.id, uri="https://shop.example/items.parquet"))
        session.flush()
    for shard, start in enumerate(range(0, rows, _SHARD_ROWS), 1):
        numbers = range(start, min(start + _SHARD_ROWS, rows))
        hashes = [secrets.token_hex(32) for _ in numbers]
        with database.write() as session:
            session.add(_shard(shard))
            session.flush()
            session.execute(insert(Image), [*map(_image, numbers, hashes)])
            session.execute(insert(Embedding), [*map(_embedding, numbers, hashes)])
    database.close()


def _shard(number: int) -> Shard:
    return Shard(
        id=number,
        collection_id=1,
        path=f"{number:016x}.npy",
        encoder_fingerprint=_HASH,
        rows=_SHARD_ROWS,
        sha256=_HASH,
    )


def _image(number: int, content_hash: str) -> dict[str, object]:
    return {
        "collection_id": 1,
        "key": f"sku-{number:08}",
        "source_id": 1,
        "uri": f"https://cdn.shop.example/pictures/{content_hash[:2]}/sku-{number:08}.jpg",
        "stamp": f'"{content_hash[:32]}"',
        "file_size": 100_000 + number % 977,
        "content_hash": content_hash,
        "format": "JPEG",
        "width": 1200,
        "height": 1200,
        "attributes": {
            "상품명": f"빨간 러닝 운동화 {number}",
            "category": "패션 > 신발 > 운동화",
            "brand": f"brand {number % 300}",
            "price": 1_000 * (number % 90),
            "color": ["red", "white"],
            "sold_out": number % 7 == 0,
        },
        "attributes_given": content_hash,
        "change_number": number,
    }


def _embedding(number: int, content_hash: str) -> dict[str, object]:
    return {
        "collection_id": 1,
        "content_hash": content_hash,
        "encoder_fingerprint": _HASH,
        "shard_id": number // _SHARD_ROWS + 1,
        "shard_row": number % _SHARD_ROWS,
    }


@contextmanager
def _postgres() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="noongil-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = pgserver.get_server(folder)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def _relations(url: str) -> list[tuple[str, int]]:
    database = Database(url)
    with database.read() as session:
        sizes = {
            name: session.scalar(text(f"SELECT pg_total_relation_size('{name}')")) or 0
            for name in ("images", "embeddings")
        }
    database.close()
    return [*sizes.items(), ("both", sum(sizes.values()))]


def report_versions(given: argparse.Namespace) -> None:
    """A line as soon as it is known: the largest takes minutes."""
    print(f"images × {_DIM}, {THREADS} threads; in brackets ÷ what bench.scale works out")
    with tempfile.TemporaryDirectory(dir=given.cache) as work:
        bench = Bench(given.cache, Path(work), _DIM, ["clustered"])
        for rows in given.sizes:
            print(f"{rows:>12,}  {_version(bench, rows)}", flush=True)


def _version(bench: Bench, rows: int) -> str:
    dataset, expected = bench.dataset("clustered", rows), Size(rows)
    built = bench.version(dataset)
    disk = built.manifest.size_bytes
    memory = in_fresh_process(_resident, dataset, built.folder)
    on_disk = 1e9 * expected.version_gb - rows * COLUMNS.value  # these have no attributes
    seconds = 3600 / THREADS * expected.build_core_hours
    return (
        f"built in {built.seconds:.1f} s ({built.seconds / seconds:.2f}), "
        f"{disk / _MB:,.1f} MB on disk ({disk / on_disk:.2f}), "
        f"{memory / _MB:.1f} MB anonymous ({memory / (1e9 * expected.resident_gb):.2f})"
    )


def _resident(dataset: Dataset, folder: Path) -> int:
    """Anonymous bytes of a version that has answered its dataset's queries."""
    before = anonymous_bytes()
    _, index = open_version(folder)
    for modality, queries in dataset.queries.items():
        index.search(queries, K, 0.95, modality)
    return anonymous_bytes() - before


def report_thumbnails(_: argparse.Namespace) -> None:
    folder = Path(skimage.data.__file__).parent
    photos = [path for path in sorted(folder.iterdir()) if path.suffix in {".jpg", ".png"}]
    table = Table("longest side", "bytes, mean", title=f"{len(photos)} photos")
    for side in SIDES:
        table.add_row(f"{side}", f"{mean(_thumbnail_bytes(photo, side) for photo in photos):,.0f}")
    Console(width=60).print(table)


def _thumbnail_bytes(photo: Path, side: int) -> int:
    """As app/images/thumbnails.py makes them."""
    with Picture.open(photo) as picture:
        small = picture.convert("RGB")
    small.thumbnail((side, side), reducing_gap=2.0)
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=82)
    return encoded.tell()


REPORTS = {
    "rows": report_rows,
    "versions": report_versions,
    "thumbnails": report_thumbnails,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=REPORTS, default=list(REPORTS))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--sizes", nargs="+", type=int, default=(10_000, 100_000, 1_000_000))
    parser.add_argument("--cache", type=Path, default=Path("data/bench"), help="2 GB at full size")
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    for name in given.only:
        REPORTS[name](given)


if __name__ == "__main__":
    main()
