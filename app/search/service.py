"""A search from the request to the hits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from fastapi.concurrency import run_in_threadpool

from app.errors import NotFound
from app.search.answers import Answer, question
from app.search.known import KnownCollection
from app.search.normalize import language_of, normalize
from app.search.rows import NotHeld, Row
from app.search.schemas import Hit, Query, SearchRequest, SearchResponse, Timings
from app.serving import OpenVersion
from app.state import State
from indexer.backends.base import Modality
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.versions.relevance import Background
from models.types import Embeddings

RowsOf = Callable[[Sequence[int]], dict[int, Row]]

_AT_ONCE = 100
"""Hits that are put together in 0.1 ms; for more, a thread can be waited for."""


class _Clock:
    """Where a search's time goes. What comes from memory takes neither encoding nor searching."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._encoded: float | None = None

    @property
    def total(self) -> float:
        return time.perf_counter() - self._started

    def encoded(self) -> None:
        self._encoded = time.perf_counter()

    def timings(self) -> Timings:
        now = time.perf_counter()
        encoded = self._encoded
        return Timings(
            encode=0.0 if encoded is None else _ms(encoded - self._started),
            search=0.0 if encoded is None else _ms(now - encoded),
            total=_ms(now - self._started),
        )


async def search(state: State, name: str, request: SearchRequest) -> SearchResponse:
    """Raises UnknownCollection, NotFound, NotReady, InvalidInput, and what embedders raise."""
    clock = _Clock()
    known = state["serving"].known
    collection = known.get(name)
    if collection is None:
        collection = await run_in_threadpool(known.look_up, name)
    version = state["serving"].version_of(collection)
    if version is None or version.index.count == 0:
        served = version.name if version else None
        return _response(Answer(_query(request), []), served, clock)
    asked = question(version.id, request)
    answer = collection.answers.get(asked)
    if answer is None:
        answer = await _answer(state, collection, version, request, clock)
        collection.answers.keep(asked, answer)
    version.search_seconds.observe(clock.total)
    return _response(answer, version.name, clock)


async def _answer(
    state: State,
    collection: KnownCollection,
    version: OpenVersion,
    request: SearchRequest,
    clock: _Clock,
) -> Answer:
    query = _query(request)
    if request.image is not None:
        wanted = await run_in_threadpool(
            _stored, state["database"], collection, version, request.image.id
        )
    else:
        assert query.normalized is not None  # noqa: S101 - a request holds a text or an image
        deadline = time.monotonic() + state["settings"].query_timeout_seconds
        wanted = _Wanted(await version.embedder.embed_texts([query.normalized], deadline))
    clock.encoded()
    return Answer(query, await _found(collection, version, wanted, request))


def _response(answer: Answer, version: str | None, clock: _Clock) -> SearchResponse:
    return SearchResponse.model_construct(
        query=answer.query, hits=answer.hits, version=version, timings_ms=clock.timings()
    )


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


def _stored(
    database: Database, collection: KnownCollection, version: OpenVersion, key: str
) -> _Wanted:
    """The embedding of an image of the collection. Raises NotFound."""
    with database.read() as session:
        image = repository.image(session, collection.id, key)
    vector = None if image is None else version.index.vector_of(image.id)
    if image is None or vector is None:
        raise NotFound(f"collection {collection.name!r} has no image of that id")
    return _Wanted((vector / np.linalg.norm(vector))[None], itself=image.id)


async def _found(
    collection: KnownCollection, version: OpenVersion, wanted: _Wanted, request: SearchRequest
) -> list[Hit]:
    """On the event loop where that holds it up for less than a change of threads would cost."""
    attributes = "attributes" in request.include
    rows = collection.rows_with_attributes if attributes else collection.rows
    finder = _Finder(version, wanted, request, request.recall or collection.recall)
    if version.index.is_quick and request.k <= _AT_ONCE:
        try:
            return finder.find(rows.held)
        except NotHeld:
            pass
    return await run_in_threadpool(finder.find, rows.read)


class _Finder:
    """One search of one version."""

    def __init__(
        self, version: OpenVersion, wanted: _Wanted, request: SearchRequest, recall: float
    ) -> None:
        self._version = version
        self._wanted = wanted
        self._request = request
        self._recall = recall

    def find(self, rows_of: RowsOf) -> list[Hit]:
        """The k best that still exist: images deleted since the version was made are passed over.

        Where too many were deleted it asks the index again, for more.
        """
        k, count = self._request.k, self._version.index.count
        asked = k + 1
        while True:
            asked = min(asked, count)
            ranked = self._ranked(asked, rows_of)
            if len(ranked) >= k or asked == count:
                return self._hits(ranked[:k])
            asked *= 2

    def _ranked(self, asked: int, rows_of: RowsOf) -> list[tuple[Row, float]]:
        found = self._version.index.search(
            self._wanted.embedding, asked, self._recall, self._modality
        )
        ids = [image for image in found.ids[0].tolist() if image >= 0]
        rows = rows_of(ids)
        itself = self._wanted.itself
        return [
            (rows[image], score)
            for image, score in zip(ids, found.scores[0].tolist(), strict=False)
            if image in rows and image != itself
        ]

    def _hits(self, ranked: list[tuple[Row, float]]) -> list[Hit]:
        scores = np.array([score for _, score in ranked])
        # Rounded before it is compared: a relevance that was shown is a bound that includes it.
        relevances = self._background.relevance(scores).astype(np.float64).round(4)
        return [
            Hit(
                id=row.key,
                score=score,
                relevance=relevance,
                uri=row.uri,
                thumbnail=row.thumbnail,
                width=row.width,
                height=row.height,
                attributes=row.attributes,
            )
            for (row, _), score, relevance in zip(
                ranked, scores.round(6).tolist(), relevances.tolist(), strict=True
            )
            if relevance >= self._request.min_relevance
        ]

    @property
    def _modality(self) -> Modality:
        return "text" if self._request.text is not None else "image"

    @property
    def _background(self) -> Background:
        backgrounds = self._version.manifest.backgrounds
        assert backgrounds is not None  # noqa: S101 - only an empty version has none
        return backgrounds.text if self._modality == "text" else backgrounds.image


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
