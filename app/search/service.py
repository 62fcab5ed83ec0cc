"""A search from the request to the hits."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from fastapi.concurrency import run_in_threadpool

from app.errors import NotFound
from app.search.answers import Answer, question
from app.search.finder import Finder, Ranked
from app.search.normalize import language_of, normalize
from app.search.rows import NotHeld
from app.search.schemas import Hit, Query, SearchRequest, SearchResponse, Timings
from app.serving.snapshot import Snapshot
from app.state import State
from indexer.catalog import repository
from indexer.catalog.db import Database
from models.types import Embeddings

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
    serving = state["serving"]
    collection = serving.get(name)
    if collection is None:
        collection = await run_in_threadpool(serving.look_up, name)
    collection.require_searchable()
    if collection.is_empty:
        return _response(Answer(_query(request), []), collection, clock)
    asked = question(request)
    answer = collection.answers.get(asked)
    if answer is None:
        answer = await _answer(state, collection, request, clock)
        collection.answers.keep(asked, answer)
    collection.search_seconds.observe(clock.total)
    return _response(answer, collection, clock)


async def _answer(
    state: State, collection: Snapshot, request: SearchRequest, clock: _Clock
) -> Answer:
    query = _query(request)
    if request.image is not None:
        wanted = await run_in_threadpool(_stored, state["database"], collection, request.image.id)
    else:
        assert query.normalized is not None  # noqa: S101 - a request holds a text or an image
        embedder = collection.segments.embedder
        assert embedder is not None  # noqa: S101 - without it the collection is not searchable
        deadline = time.monotonic() + state["settings"].query_timeout_seconds
        wanted = _Wanted(await embedder.embed_texts([query.normalized], deadline))
    clock.encoded()
    return Answer(query, await _found(collection, wanted, request))


def _response(answer: Answer, collection: Snapshot, clock: _Clock) -> SearchResponse:
    version = collection.segments.version
    return SearchResponse.model_construct(
        query=answer.query,
        hits=answer.hits,
        version=None if version is None else version.name,
        timings_ms=clock.timings(),
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


def _stored(database: Database, collection: Snapshot, key: str) -> _Wanted:
    """The embedding of an image of the collection. Raises NotFound."""
    with database.read() as session:
        image = repository.image(session, collection.id, key)
    vector = None if image is None else collection.segments.delta.vector_of(image.id)
    if image is None or vector is None:
        raise NotFound(f"collection {collection.name!r} has no image of that id")
    return _Wanted((vector / np.linalg.norm(vector))[None], itself=image.id)


async def _found(collection: Snapshot, wanted: _Wanted, request: SearchRequest) -> list[Hit]:
    """On the event loop where that holds it up for less than a change of threads would cost."""
    attributes = "attributes" in request.include
    rows = collection.rows_with_attributes if attributes else collection.rows
    finder = Finder(
        collection.segments,
        wanted.embedding,
        "image" if request.text is None else "text",
        request.recall or collection.recall,
        wanted.itself,
    )
    if collection.is_quick and request.k <= _AT_ONCE:
        try:
            return _hits(collection, finder.find(request.k, rows.held), request)
        except NotHeld:
            pass
    return await run_in_threadpool(
        lambda: _hits(collection, finder.find(request.k, rows.read), request)
    )


def _hits(collection: Snapshot, ranked: Sequence[Ranked], request: SearchRequest) -> list[Hit]:
    scores = np.array([score for _, score in ranked])
    backgrounds = collection.segments.backgrounds
    background = backgrounds.image if request.text is None else backgrounds.text
    # Rounded before it is compared: a relevance that was shown is a bound that includes it.
    relevances = background.relevance(scores).astype(np.float64).round(4)
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
        if relevance >= request.min_relevance
    ]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
