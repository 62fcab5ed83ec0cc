"""Retrieval quality on a labelled folder: mAP, R-precision and hit@5, a language at a time.

A labelled folder holds one or more `NAME.queries.tsv` with the columns `query_ko`,
`query_en` and `relevant`: paths relative to the folder, separated by spaces. A set is
scored over the pictures of the subfolder that its paths begin with, or of the whole
folder where they begin differently.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexer.errors import EvaluationError, Rejected
from indexer.pictures.decode import DecodeLimits, decode
from models.encoding import encode_texts
from models.types import Embeddings, Encoder, Pixels

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = ("ko", "en")
SUFFIX = ".queries.tsv"
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
BATCH = 32


@dataclass(frozen=True)
class Query:
    texts: dict[Language, str]
    relevant: frozenset[str]


@dataclass(frozen=True)
class QuerySet:
    """`pictures`: paths relative to `folder`, sorted."""

    name: str
    folder: Path
    queries: tuple[Query, ...]
    pictures: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """Means over the queries, each in 0 … 1."""

    mean_average_precision: float
    r_precision: float
    hit_at_5: float


@dataclass(frozen=True)
class SetResult:
    name: str
    pictures: int
    queries: int
    quality: dict[Language, Quality]


def evaluate(encoder: Encoder, folder: Path) -> list[SetResult]:
    """Scores every query set in the folder. Raises EvaluationError if there is none."""
    return [_evaluate_set(encoder, query_set) for query_set in read_query_sets(folder)]


def read_query_sets(folder: Path) -> list[QuerySet]:
    """Raises EvaluationError for a folder without sets, a bad column, an absent picture."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        raise EvaluationError(f"{folder} holds no *{SUFFIX}")
    return [_read_query_set(file) for file in files]


def score(similarities: NDArray[np.float32], relevant: NDArray[np.bool_]) -> Quality:
    """Both of shape (queries, pictures); each query has a relevant picture.

    Equal similarities keep the order of the pictures.
    """
    order = np.argsort(-similarities, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)
    ranks = np.arange(1, hits.shape[1] + 1)
    totals = hits.sum(axis=1)
    precision = hits.cumsum(axis=1) / ranks
    average_precision = (precision * hits).sum(axis=1) / totals
    r_precision = (hits & (ranks <= totals[:, None])).sum(axis=1) / totals
    return Quality(
        mean_average_precision=float(average_precision.mean()),
        r_precision=float(r_precision.mean()),
        hit_at_5=float(hits[:, :5].any(axis=1).mean()),
    )


def _evaluate_set(encoder: Encoder, query_set: QuerySet) -> SetResult:
    pictures = _encode_pictures(encoder, query_set)
    relevant = np.array(
        [[path in query.relevant for path in query_set.pictures] for query in query_set.queries]
    )
    quality = {}
    for language in LANGUAGES:
        texts = encode_texts(encoder, [query.texts[language] for query in query_set.queries])
        quality[language] = score(_similarities(texts, pictures), relevant)
    return SetResult(
        query_set.name, len(query_set.pictures), len(query_set.queries), quality=quality
    )


def _similarities(texts: Embeddings, pictures: Embeddings) -> NDArray[np.float32]:
    """Shape (queries, pictures): a picture is as near as the best of its regions."""
    parts = texts @ pictures.reshape(-1, texts.shape[1]).T
    best: NDArray[np.float32] = parts.reshape(len(texts), len(pictures), -1).max(axis=2)
    return best


def _encode_pictures(encoder: Encoder, query_set: QuerySet) -> Embeddings:
    paths = [query_set.folder / path for path in query_set.pictures]
    batches = (paths[at : at + BATCH] for at in range(0, len(paths), BATCH))
    encoded = [encoder.encode_pixels([_pixels(encoder, path) for path in b]) for b in batches]
    return np.concatenate(encoded)


def _pixels(encoder: Encoder, path: Path) -> Pixels:
    try:
        decoded = decode(path.read_bytes(), limits=DecodeLimits())
    except (OSError, Rejected) as error:
        raise EvaluationError(f"{path} cannot be read as a picture: {error}") from error
    return encoder.to_pixels(decoded.image)


def _read_query_set(file: Path) -> QuerySet:
    folder = file.parent
    queries = tuple(_read_queries(file))
    if not queries:
        raise EvaluationError(f"{file} holds no queries")
    gallery = _gallery(folder, [path for query in queries for path in query.relevant])
    pictures = sorted(
        path.relative_to(folder).as_posix()
        for path in gallery.rglob("*")
        if path.suffix.lower() in PICTURES
    )
    for query in queries:
        if absent := query.relevant - set(pictures):
            raise EvaluationError(f"{file} names a picture that is not there: {min(absent)}")
    return QuerySet(file.name.removesuffix(SUFFIX), folder, queries, tuple(pictures))


def _read_queries(file: Path) -> Iterator[Query]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if absent := {"query_ko", "query_en", "relevant"} - set(rows.fieldnames or ()):
            raise EvaluationError(f"{file} has no column {min(absent)}")
        for row in rows:
            relevant = frozenset((row["relevant"] or "").split())
            if not relevant:
                raise EvaluationError(f"{file}, line {rows.line_num}: nothing is relevant")
            yield Query({"ko": row["query_ko"], "en": row["query_en"]}, relevant)


def _gallery(folder: Path, paths: Sequence[str]) -> Path:
    first, *others = {path.partition("/")[0] for path in paths}
    return folder / first if not others and (folder / first).is_dir() else folder
