"""A search from the request to the hits."""

import time

from fastapi.concurrency import run_in_threadpool

from app.search.answers import Answer
from app.search.fields import filter_of, require_fields
from app.search.finder import nearest_page
from app.search.page import Page, Search
from app.search.pages import next_cursor, shown_before
from app.search.query_vector import query_vector
from app.search.question import Subject, is_repeatable, question_of, subject_of
from app.search.ranking import ranked_page
from app.search.response import Query, SearchResponse, Timings
from app.search.rows import NotHeld
from app.search.schemas import SearchRequest
from app.search.understanding import query_of
from app.serving.snapshot import Snapshot
from app.state import State
from models.tracing import span

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


async def search(
    state: State, name: str, request: SearchRequest, client: str | None = None
) -> SearchResponse:
    """`client`: who asks, for the log of queries; None: it is not for the log.

    Raises UnknownCollection, NotReady, InvalidInput, InvalidRequest, CursorExpired, BadPicture,
    AtCapacity, and what embedders raise.
    """
    clock = _Clock()
    serving = state["serving"]
    collection = serving.get(name)
    if collection is None:
        collection = await run_in_threadpool(serving.look_up, name)
    collection.require_searchable()
    if collection.is_empty:
        filter_of(request)  # whose form is judged all the same
        nothing = Answer(_query(request), [], {name: [] for name in request.facets})
        return _response(nothing, collection, clock)
    subject = subject_of(request) if request.is_plain else await _subject(request)
    asked = question_of(request, subject)
    answer = collection.answers.get(asked)
    if answer is None:
        answer = await _answer(state, collection, request, subject, clock)
        if is_repeatable(request):
            collection.answers.keep(asked, answer)
    if client is not None and request.cursor is None and answer.query.normalized is not None:
        state["suggestions"].record(name, answer.query.normalized, client)
    collection.search_seconds.observe(clock.total)
    return _response(answer, collection, clock)


async def _subject(request: SearchRequest) -> Subject:
    """A picture file takes a while to digest."""
    if any(image.base64 is not None for image in request.pictures):
        return await run_in_threadpool(subject_of, request)
    return subject_of(request)


async def _answer(
    state: State, collection: Snapshot, request: SearchRequest, subject: Subject, clock: _Clock
) -> Answer:
    with span("normalize"):
        query = _query(request)
    shown = shown_before(request, subject, collection)
    chosen = filter_of(request)
    require_fields(request, chosen, collection.segments.attributes)
    wanted = await query_vector(state, collection, request, query.normalized)
    clock.encoded()
    page = await _page(Search(collection, request, wanted, chosen, shown))
    cursor = next_cursor(page, shown, subject, collection)
    return Answer(query, page.hits, page.facets, cursor)


def _response(answer: Answer, collection: Snapshot, clock: _Clock) -> SearchResponse:
    version = collection.segments.version
    return SearchResponse.model_construct(
        query=answer.query,
        hits=answer.hits,
        facets=answer.facets,
        next_cursor=answer.next_cursor,
        version=None if version is None else version.name,
        timings_ms=clock.timings(),
    )


def _query(request: SearchRequest) -> Query:
    """Raises InvalidInput."""
    return Query() if request.text is None else query_of(request.text, verbatim=request.verbatim)


async def _page(search: Search) -> Page:
    """On the event loop where that holds it up for less than a change of threads would cost."""
    collection, request = search.collection, search.request
    rows = collection.rows_with_attributes if "attributes" in request.include else collection.rows
    if request.facets or request.is_reordered:
        return await run_in_threadpool(ranked_page, search, rows.read)
    if collection.is_quick and search.filter is None and request.k + len(search.shown) <= _AT_ONCE:
        try:
            return nearest_page(search, rows.held)
        except NotHeld:
            pass
    return await run_in_threadpool(nearest_page, search, rows.read)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
