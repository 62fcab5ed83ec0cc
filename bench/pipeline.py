"""From a folder to shards and rows, against what the encoder and Pillow do alone.

python -m bench.pipeline [--pictures 256] [--rounds 3]

Method: ViT-B-32 with random weights on the CPU, batches of 32, JPEGs of 500 × 400.
1. `embedding`: a run over a new collection against the encoder alone on pixels made before,
   taking turns. Asked: 0.93 of its rate. On a CPU the encoder shares the cores with decoding;
   the stand-in for a device takes the same time for a batch, asleep. `waited` is the share of
   the run after the first batch in which the encoder had nothing to do.
2. `decoding`: bytes to the encoder's pixels, against Pillow's decode and convert before the same
   resize and crop, with the cosine of the embeddings. Asked: 2.5 × where pictures are large, 0.995.
3. `unchanged`: a second run over a folder in which each picture has twenty names.
"""

import argparse
import io
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.pictures import jpeg, picture, write_pictures
from bench.random_model import save_random
from indexer.catalog import db, repository
from indexer.catalog.db import Database
from indexer.embedding.known import Known, read_embedded
from indexer.embedding.run import EmbedOptions, EmbedRun
from indexer.layout import CollectionFolder
from indexer.lease import hold
from indexer.pictures.decode import DecodeLimits, decode
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from models.config import EncoderOptions
from models.encoder_pool import pool_of
from models.encoding import encode_images
from models.registry import load_encoder
from models.types import Embeddings, Encoder, EncoderSpec, Pixels

BATCH = 32
LINKS = 20
SIZES = ((4000, 3000), (1600, 1200), (500, 400))
ASKED_RATE, ASKED_DECODE, ASKED_COSINE = 0.93, 2.5, 0.995


class Timed:
    """An encoder that notes when it is at work; with `batch_seconds`, one that holds a device
    and not the CPU.
    """

    def __init__(self, encoder: Encoder, batch_seconds: float | None = None) -> None:
        self._encoder = encoder
        self._batch_seconds = batch_seconds
        self._spans: list[tuple[float, float]] = []

    @property
    def spec(self) -> EncoderSpec:
        return self._encoder.spec

    def to_pixels(self, image: Image.Image) -> Pixels:
        return self._encoder.to_pixels(image)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        started = time.perf_counter()
        if self._batch_seconds is None:
            embeddings = self._encoder.encode_pixels(batch)
        else:
            time.sleep(self._batch_seconds * len(batch) / BATCH)
            embeddings = np.full((len(batch), self.spec.dim), self.spec.dim**-0.5, np.float32)
        self._spans.append((started, time.perf_counter()))
        return embeddings

    @property
    def waited(self) -> float:
        """The share of the time from the first batch to the last."""
        busy = sum(end - start for start, end in self._spans)
        return 1 - busy / (self._spans[-1][1] - self._spans[0][0])


class Collection:
    """A new one, in a folder of its own."""

    def __init__(self, folder: Path, spec: EncoderSpec) -> None:
        url = f"sqlite:///{folder / 'catalog.db'}"
        db.upgrade(url)
        self._database = Database(url)
        with self._database.write() as session:
            owner = repository.add_collection(session, "bench", "bench", spec, 0.95)
        self._id = owner.id
        self._folder = CollectionFolder.of(folder, owner)
        self._folder.create()

    def run(self, photos: Path, encoder: Timed) -> float:
        """Seconds of embedding what is new."""
        source, options = FolderSource(photos), EmbedOptions(DecodeLimits(), batch_size=BATCH)
        started = time.perf_counter()
        with hold(self._database, self._id) as lease, pool_of(encoder) as pool:
            embedded = read_embedded(
                self._database, self._id, self._folder, encoder.spec.fingerprint, Silent()
            )
            known = Known(embedded, source.uri, sole_source=False)
            EmbedRun(lease, self._folder, encoder, pool, source, known, options, Silent()).run()
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    console = Console(width=110)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        write_pictures(folder / "photos", arguments.pictures, 500, 400)
        encoder = load_encoder(save_random("ViT-B-32", folder), EncoderOptions(device="cpu"))
        console.print(embedding(folder, encoder, arguments.rounds))
        console.print(decoding(encoder, load_encoder("starter"), arguments.rounds))
        console.print(unchanged(folder, encoder))


def embedding(folder: Path, encoder: Encoder, rounds: int) -> Table:
    photos = folder / "photos"
    pixels = [encoder.to_pixels(Image.open(path)) for path in sorted(photos.iterdir())]
    encoder.encode_pixels(pixels[:BATCH])
    rates: dict[str, list[float]] = {"encoder alone": [], "run": [], "run, stand-in": []}
    waited: dict[str, float] = {}
    for number in range(rounds):
        seconds = alone(encoder, pixels)
        rates["encoder alone"].append(len(pixels) / seconds)
        asleep = seconds * BATCH / len(pixels)
        for name, batch_seconds in (("run", None), ("run, stand-in", asleep)):
            timed = Timed(encoder, batch_seconds)
            collection = Collection(folder / f"{name}-{number}", encoder.spec)
            rates[name].append(len(pixels) / collection.run(photos, timed))
            waited[name] = timed.waited
    return rate_table(rates, waited)


def rate_table(rates: dict[str, list[float]], waited: dict[str, float]) -> Table:
    raw = np.array(rates["encoder alone"])
    table = Table("who", "pictures/s", "of alone", "asked", "waited", title="embedding")
    for name, found in rates.items():
        ratio = float(np.median(np.array(found) / raw))
        share = f"{waited[name]:.1%}" if name in waited else ""
        table.add_row(name, f"{np.median(found):.1f}", f"{ratio:.3f}", f"{ASKED_RATE}", share)
    return table


def alone(encoder: Encoder, pixels: Sequence[Pixels]) -> float:
    started = time.perf_counter()
    for start in range(0, len(pixels), BATCH):
        encoder.encode_pixels(pixels[start : start + BATCH])
    return time.perf_counter() - started


def decoding(vit: Encoder, starter: Encoder, rounds: int) -> Table:
    columns = ("JPEG", "encoder", "Pillow ms", "ours ms", "×Pillow", "asked", "lowest cosine")
    table = Table(*columns, title="decoding, one thread")
    random = np.random.default_rng(1)
    for width, height in SIZES:
        files = [jpeg(picture(random, width, height)) for _ in range(4)]
        for encoder in (vit, starter):
            pillow, ours = race(encoder, files, rounds)
            asked = f"{ASKED_DECODE}" if width > 1000 and encoder is vit else ""
            cosine = f"{lowest_cosine(encoder, files):.4f} ({ASKED_COSINE})"
            times = (f"{pillow * 1e3:.1f}", f"{ours * 1e3:.1f}", f"{pillow / ours:.2f}")
            name = encoder.spec.id.partition(":")[0]
            table.add_row(f"{width} × {height}", name, *times, asked, cosine)
    return table


def race(encoder: Encoder, files: Sequence[bytes], rounds: int) -> tuple[float, float]:
    """Median seconds a picture of Pillow's way and of ours, taking turns."""
    seconds: dict[Callable[[Encoder, bytes], Image.Image], list[float]] = {whole: [], scaled: []}
    for _ in range(rounds):
        for file in files:
            for way, times in seconds.items():
                started = time.perf_counter()
                encoder.to_pixels(way(encoder, file))
                times.append(time.perf_counter() - started)
    return float(np.median(seconds[whole])), float(np.median(seconds[scaled]))


def whole(_: Encoder, file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def scaled(encoder: Encoder, file: bytes) -> Image.Image:
    return decode(file, limits=DecodeLimits(), min_side_hint=encoder.spec.image_size).image


def lowest_cosine(encoder: Encoder, files: Sequence[bytes]) -> float:
    rows = [
        encode_images(encoder, [way(encoder, file) for file in files]) for way in (whole, scaled)
    ]
    return float((rows[0] * rows[1]).sum(axis=1).min())


def unchanged(folder: Path, encoder: Encoder) -> Table:
    many = folder / "many"
    many.mkdir()
    for path in (folder / "photos").iterdir():
        for number in range(LINKS):
            os.link(path, many / f"{number}-{path.name}")
    count = len(list(many.iterdir()))
    collection = Collection(folder / "unchanged", encoder.spec)
    collection.run(many, Timed(encoder, batch_seconds=0))
    seconds = collection.run(many, Timed(encoder, batch_seconds=0))
    table = Table("files", "seconds", "files/s", title="unchanged")
    table.add_row(str(count), f"{seconds:.2f}", f"{count / seconds:.0f}")
    return table


if __name__ == "__main__":
    main()
