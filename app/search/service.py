"""A search from the request to the hits."""

import time
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from fastapi.concurrency import run_in_threadpool

from app.errors import NotFound
from app.search.normalize import language_of, normalize
from app.search.schemas import Hit, Query, SearchRequest, SearchResponse, Timings
from app.serving import OpenVersion
from app.state import State
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, Image
from indexer.relevance import Background
from models.types import Embeddings


async def search(state: State, name: str, request: SearchRequest) -> SearchResponse:
    """Raises UnknownCollection, NotFound, NotReady, InvalidInput."""
    started = time.perf_counter()
    collection = await run_in_threadpool(_collection, state["database"], name)
    query = _query(request)
    version = state["serving"].version_of(collection)
    if version is None or version.index.count == 0:
        timings = Timings(encode=0, search=0, total=_ms_since(started))
        served = version.name if version else None
        return SearchResponse(query=query, hits=[], version=served, timings_ms=timings)
    finder = _Finder(state["database"], collection, version)
    if request.image is not None:
        wanted = await run_in_threadpool(finder.stored, request.image.id)
    else:
        assert query.normalized is not None  # noqa: S101 - a request holds a text or an image
        state["metrics"].encode_batch_size.observe(1)
        wanted = _Wanted(await version.texts.embed([query.normalized]))
    encoded = time.perf_counter()
    hits = await run_in_threadpool(finder.find, wanted, request)
    state["metrics"].search_seconds.labels(name).observe(time.perf_counter() - started)
    timings = Timings(
        encode=_ms(encoded - started), search=_ms_since(encoded), total=_ms_since(started)
    )
    return SearchResponse(query=query, hits=hits, version=version.name, timings_ms=timings)


def thumbnail_path(collection: str, key: str) -> str:
    return f"/v1/collections/{quote(collection)}/images/{quote(key)}/thumbnail"


def _collection(database: Database, name: str) -> Collection:
    with database.read() as session:
        return repository.collection(session, name)


def _query(request: SearchRequest) -> Query:
    if request.text is None:
        return Query()
    normalized = normalize(request.text)
    return Query(text=request.text, normalized=normalized, language=language_of(normalized))


@dataclass(frozen=True)
class _Wanted:
    embedding: Embeddings
    """Shape (1, dim)."""
    itself: int | None = None
    """The image that asks for its like: no answer to its own question."""


class _Finder:
    """The blocking half of a search, on one version of one collection."""

    def __init__(self, database: Database, collection: Collection, version: OpenVersion) -> None:
        self._database = database
        self._collection = collection
        self._version = version

    def stored(self, key: str) -> _Wanted:
        """The embedding of an image of the collection. Raises NotFound."""
        with self._database.read() as session:
            image = repository.image(session, self._collection.id, key)
        vector = None if image is None else self._version.index.vector_of(image.id)
        if image is None or vector is None:
            raise NotFound(f"collection {self._collection.name!r} has no image of that id")
        return _Wanted((vector / np.linalg.norm(vector))[None], itself=image.id)

    def find(self, wanted: _Wanted, request: SearchRequest) -> list[Hit]:
        """The k best that still exist: images deleted since the version was made are passed over.

        Where too many were deleted it asks the index again, for more.
        """
        asked = request.k + 1
        while True:
            asked = min(asked, self._version.index.count)
            ranked = self._ranked(wanted, asked, request.recall or self._collection.recall)
            if len(ranked) >= request.k or asked == self._version.index.count:
                return self._hits(ranked[: request.k], request)
            asked *= 2

    def _ranked(self, wanted: _Wanted, asked: int, recall: float) -> list[tuple[Image, float]]:
        found = self._version.index.search(wanted.embedding, asked, recall)
        ids = [int(image_id) for image_id in found.ids[0] if image_id >= 0]
        with self._database.read() as session:
            images = repository.images_by_id(session, self._collection.id, ids)
        return [
            (images[image_id], float(score))
            for image_id, score in zip(ids, found.scores[0], strict=False)
            if image_id in images and image_id != wanted.itself
        ]

    def _hits(self, ranked: list[tuple[Image, float]], request: SearchRequest) -> list[Hit]:
        scores = np.array([score for _, score in ranked], np.float32)
        # Rounded before it is compared: a relevance that was shown is a bound that includes it.
        exact = self._background(request).relevance(scores).tolist()
        relevances = [round(relevance, 4) for relevance in exact]
        return [
            Hit(
                id=image.key,
                score=round(score, 6),
                relevance=relevance,
                uri=image.uri,
                thumbnail=thumbnail_path(self._collection.name, image.key),
                width=image.width,
                height=image.height,
                attributes=image.attributes if "attributes" in request.include else None,
            )
            for (image, score), relevance in zip(ranked, relevances, strict=True)
            if relevance >= request.min_relevance
        ]

    def _background(self, request: SearchRequest) -> Background:
        backgrounds = self._version.manifest.backgrounds
        assert backgrounds is not None  # noqa: S101 - only an empty version has none
        return backgrounds.text if request.text is not None else backgrounds.image


def _ms_since(started: float) -> float:
    return _ms(time.perf_counter() - started)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
