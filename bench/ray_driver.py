"""Embedding through Ray Data on one machine, against this machine's own driver.

python -m bench.ray_driver [--pictures 512] [--rounds 3] [--model starter]

Method: JPEGs of 500 × 400, batches of 32. Each round indexes the same pictures with either driver
into a new collection, taking turns at who is first; no index is built. Ray is joined once, before.
`first` is the time until the first picture is done, in which Ray's processes load the model;
`rate` is of the pictures after it. Asked: nothing. What Ray costs where it cannot help is a fact to
decide by.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.pictures import write_pictures
from indexer.catalog import db, repository
from indexer.catalog.db import Database
from indexer.drivers.base import EmbedDriver
from indexer.drivers.local import LocalDriver
from indexer.drivers.ray_data.cluster import RayOptions, capacity, joined
from indexer.drivers.ray_data.driver import RayDriver
from indexer.embedding.known import Known, read_embedded
from indexer.embedding.run import EmbedOptions, EmbedRun
from indexer.layout import CollectionFolder
from indexer.lease import hold
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from models.encoder_pool import pool_of
from models.registry import load_encoder
from models.types import Encoder

DRIVERS: tuple[EmbedDriver, ...] = (LocalDriver(), RayDriver())


class Timing(NamedTuple):
    first: float
    """Seconds."""
    rate: float
    """Pictures a second."""


class Watch(Silent):
    def __init__(self) -> None:
        self.moments: list[tuple[float, int]] = []

    def advance(self, steps: int = 1) -> None:
        if steps:
            self.moments.append((time.perf_counter(), steps))

    def timing(self, began: float) -> Timing:
        (first, _), *rest = self.moments
        return Timing(first - began, sum(steps for _, steps in rest) / (rest[-1][0] - first))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="starter")
    asked = parser.parse_args()
    encoder = load_encoder(asked.model)
    with TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        photos.mkdir()
        write_pictures(photos, asked.pictures, 500, 400)
        began = time.perf_counter()
        with joined(RayOptions()):
            started, room = time.perf_counter() - began, capacity(RayOptions())
            rounds = []
            for number in range(asked.rounds):
                order = DRIVERS if number % 2 else DRIVERS[::-1]
                found = {driver: timed(photos, encoder, driver) for driver in order}
                rounds.append([found[driver] for driver in DRIVERS])
    title = f"Ray: {room.encoders} encode, {room.decoders} decode; started in {started:.1f} s"
    Console(width=100).print(table(title, rounds))


def timed(photos: Path, encoder: Encoder, driver: EmbedDriver) -> Timing:
    options = EmbedOptions(DecodeLimits(), driver=driver)
    source, watch = FolderSource(photos), Watch()
    with TemporaryDirectory() as name:
        url = f"sqlite:///{name}/catalog.db"
        db.upgrade(url)
        database = Database(url)
        with database.write() as session:
            owner = repository.add_collection(session, "bench", "bench", encoder.spec, 0.95)
        folder = CollectionFolder.of(Path(name), owner)
        folder.create()
        began = time.perf_counter()
        with hold(database, owner.id) as lease, pool_of(encoder) as pool:
            fingerprint = encoder.spec.fingerprint
            embedded = read_embedded(database, owner.id, folder, fingerprint, Silent())
            known = Known(embedded, source.uri, sole_source=False)
            EmbedRun(lease, folder, encoder, pool, source, known, options, watch).run()
        database.close()
    return watch.timing(began)


def table(title: str, rounds: Sequence[Sequence[Timing]]) -> Table:
    shown = Table(
        "round", "local: first", "rate", "Ray: first", "rate", "rate, ×local", title=title
    )
    for number, (local, on_ray) in enumerate(rounds):
        cells = (f"{local.first:.1f} s", f"{local.rate:.1f}/s", f"{on_ray.first:.1f} s")
        ratio = f"{on_ray.rate / local.rate:.2f}"
        shown.add_row(str(number), *cells, f"{on_ray.rate:.1f}/s", ratio)
    middle = statistics.median(on_ray.rate / local.rate for local, on_ray in rounds)
    shown.add_row("median", "", "", "", "", f"{middle:.2f}")
    return shown


if __name__ == "__main__":
    main()
