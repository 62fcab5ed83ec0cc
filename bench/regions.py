"""What regions find, and which grid of them is worth its cost.

python -m bench.regions DATA [--model starter] [--objects 90] [--scenes 70] [--cache FILE]

DATA is a labelled folder, as for `noongil eval`, with sets `objects` (pictures of one thing each)
and `clothing` (the scenes). Objects that fill 4 to 14 % of a scene are pasted into it anywhere, and
looked for among all scenes, those without an object too:

text    by the query that the object's picture is relevant to, in each language: the share of
        queries with a relevant scene first, among the first five, and the mean average precision
image   by the picture that was pasted itself

box     of the scenes found among the first five: the share of objects whose middle lies in the box
        that is answered with, and the mean of intersection over union
costs   vectors and bytes (float16) of a picture, and the seconds of encoding it

With --cache embeddings are kept in a file, for grids that are tried again.
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from indexer.evaluate import LANGUAGES, QuerySet, read_query_sets, score
from indexer.pictures.decode import DecodeLimits, decode
from models.encoding import encode_images, encode_texts
from models.regions.schemes import WHOLE, Box, Grid, part_of
from models.registry import load_encoder
from models.types import Embeddings, Encoder

GRIDS = (
    Grid("none", (), ()),
    Grid("1+4 halves", (1 / 2,), (2,)),
    Grid("1+9 halves", (1 / 2,), (3,)),
    Grid("1+4 halves+9 thirds", (1 / 2, 1 / 3), (2, 3)),
    Grid("1+9 halves+9 thirds", (1 / 2, 1 / 3), (3, 3)),
    Grid("1+9 of 0.4", (0.4,), (3,)),
    Grid("1+4 of 0.6+9 of 0.4", (0.6, 0.4), (2, 3)),
)
_LEAST, _MOST = 0.04, 0.14
_FIRST = 5


@dataclass(frozen=True)
class Scene:
    picture: Image.Image
    pasted: str | None
    """The path of what was pasted in; None: nothing."""
    box: Box
    """Where."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--objects", type=int, default=90)
    parser.add_argument("--scenes", type=int, default=70, help="without an object")
    parser.add_argument("--cache", type=Path)
    given = parser.parse_args()
    sets = {query_set.name: query_set for query_set in read_query_sets(given.data)}
    scenes = list(_scenes(sets["objects"], sets["clothing"], given.objects, given.scenes))
    encoder = load_encoder(given.model)
    boxes = sorted({box for grid in GRIDS for box in grid.boxes})
    embeddings, seconds = _encoded(encoder, scenes, boxes, given.cache)
    console = Console(width=160)
    bench = Bench(encoder, sets["objects"], scenes)
    table = Table(
        "grid", "by", "hit@1", "hit@5", "mAP", "middle in box", "IoU", "vectors", "KB", "s"
    )
    for grid in GRIDS:
        chosen = [boxes.index(box) for box in grid.boxes]
        bench.add(table, grid, embeddings[:, chosen], seconds * grid.count)
    console.print(table)


class Bench:
    def __init__(self, encoder: Encoder, queries: QuerySet, scenes: Sequence[Scene]) -> None:
        self._scenes = scenes
        self._dim = encoder.spec.dim
        pasted = [scene.pasted for scene in scenes]
        asked = [query for query in queries.queries if query.relevant & {*pasted}]
        by_class = np.array([[path in query.relevant for path in pasted] for query in asked])
        self._asked = {
            language: (encode_texts(encoder, [one.texts[language] for one in asked]), by_class)
            for language in LANGUAGES
        }
        objects = [path for path in pasted if path is not None]
        pictures = [_read(queries.folder / path) for path in objects]
        itself = np.array([[path == other for other in pasted] for path in objects])
        self._asked["image"] = (
            np.concatenate([encode_images(encoder, [one]) for one in pictures]),
            itself,
        )

    def add(self, table: Table, grid: Grid, embeddings: Embeddings, seconds: float) -> None:
        """`embeddings`: of the scenes, (n, regions, dim)."""
        for name, (queries, relevant) in self._asked.items():
            scores = np.einsum("qd,nrd->qnr", queries, embeddings)
            best = scores.max(axis=2)
            quality = score(best, relevant)
            first = np.take_along_axis(relevant, best.argmax(axis=1)[:, None], axis=1).mean()
            inside, overlap = self._boxes(grid, scores, best, relevant)
            figures = (first, quality.hit_at_5, quality.mean_average_precision, inside, overlap)
            costs = (f"{grid.count}", f"{2 * grid.count * self._dim / 1e3:.1f}", f"{seconds:.2f}")
            table.add_row(grid.name, name, *(f"{figure:.3f}" for figure in figures), *costs)

    def _boxes(
        self,
        grid: Grid,
        scores: NDArray[np.float32],
        best: NDArray[np.float32],
        relevant: NDArray[np.bool_],
    ) -> tuple[float, float]:
        inside, overlaps = [], []
        for query, order in enumerate(np.argsort(-best, axis=1, kind="stable")[:, :_FIRST]):
            for scene in order[relevant[query, order]].tolist():
                box, answered = self._scenes[scene].box, grid.boxes[scores[query, scene].argmax()]
                inside.append(answered != WHOLE and _holds_middle(answered, box))
                overlaps.append(_overlap(answered, box))
        return float(np.mean(inside)), float(np.mean(overlaps))


def _scenes(objects: QuerySet, clothes: QuerySet, with_one: int, without: int) -> Iterator[Scene]:
    choose = random.Random(0)  # noqa: S311 - a sample
    backgrounds = choose.sample(clothes.pictures, with_one + without)
    relevant = [sorted(query.relevant) for query in objects.queries]
    turns = [paths[turn] for turn in range(9) for paths in relevant if len(paths) > turn]
    pasted = list(dict.fromkeys(turns))[:with_one]
    for path, background in zip(pasted, backgrounds, strict=False):
        yield _with_object(
            _read(clothes.folder / background), _read(objects.folder / path), path, choose
        )
    for background in backgrounds[len(pasted) :]:
        yield Scene(_read(clothes.folder / background), None, WHOLE)


def _with_object(scene: Image.Image, thing: Image.Image, path: str, choose: random.Random) -> Scene:
    area = choose.uniform(_LEAST, _MOST) * scene.width * scene.height
    scale = (area / (thing.width * thing.height)) ** 0.5
    scale = min(scale, scene.width / thing.width, scene.height / thing.height)
    width, height = max(1, int(thing.width * scale)), max(1, int(thing.height * scale))
    left, top = choose.randint(0, scene.width - width), choose.randint(0, scene.height - height)
    picture = scene.copy()
    picture.paste(thing.resize((width, height), Image.Resampling.LANCZOS), (left, top))
    box = Box(left / scene.width, top / scene.height, width / scene.width, height / scene.height)
    return Scene(picture, path, box)


def _read(path: Path) -> Image.Image:
    return decode(path.read_bytes(), limits=DecodeLimits()).image


def _encoded(
    encoder: Encoder, scenes: Sequence[Scene], boxes: Sequence[Box], cache: Path | None
) -> tuple[Embeddings, float]:
    """Shape (scenes, boxes, dim), and the seconds that a box takes."""
    if cache is not None and cache.exists():
        kept = np.load(cache)
        return kept["embeddings"], float(kept["seconds"])
    started = time.perf_counter()
    stacked = np.stack(
        [encode_images(encoder, [part_of(scene.picture, box) for box in boxes]) for scene in scenes]
    )
    seconds = (time.perf_counter() - started) / len(scenes) / len(boxes)
    if cache is not None:
        np.savez(cache, embeddings=stacked, seconds=seconds)
    return stacked, seconds


def _holds_middle(outer: Box, inner: Box) -> bool:
    x, y = inner.x + inner.width / 2, inner.y + inner.height / 2
    return outer.x <= x <= outer.x + outer.width and outer.y <= y <= outer.y + outer.height


def _overlap(one: Box, other: Box) -> float:
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(across, 0) * max(down, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


if __name__ == "__main__":
    main()
