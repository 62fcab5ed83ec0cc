"""Pictures as queries: images of a collection, and those that come by URL or as a file."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from fastapi.concurrency import run_in_threadpool

from app.errors import InvalidRequest, NotFound, NotReady
from app.search.errors import BadPicture
from app.search.schemas import ImageReference
from app.serving.snapshot import Snapshot
from app.state import State
from indexer.catalog import repository
from indexer.errors import Rejected
from models.types import Embedder, Embeddings


@dataclass(frozen=True, slots=True)
class PictureQuery:
    embedding: Embeddings
    """Shape (1, dim), of unit length."""
    image: int | None = None
    """Its id, where the collection holds it."""


async def picture_queries(
    state: State,
    embedder: Embedder,
    collection: Snapshot | None,
    references: Mapping[str, ImageReference],
    deadline: float,
) -> list[PictureQuery]:
    """Of pictures by their place in the request, `queries.1.image`; nothing of them is stored.
    Without a collection none can be named by id. `deadline` is for fetching, decoding and encoding
    all of them, a second of `time.monotonic`.

    All are waited for: the first that is at fault is named, whichever failed first.

    Raises BadPicture, AtCapacity, and what embedders raise.
    """
    made = await asyncio.gather(
        *(
            _picture_query(state, embedder, collection, reference, deadline)
            for reference in references.values()
        ),
        return_exceptions=True,
    )
    queries = []
    for where, query in zip(references, made, strict=True):
        if isinstance(query, Rejected | InvalidRequest | NotFound):
            raise BadPicture(where, query) from query
        if isinstance(query, BaseException):
            raise query
        queries.append(query)
    return queries


def embedder_of(collection: Snapshot) -> Embedder:
    """Raises NotReady."""
    embedder = collection.segments.embedder
    if embedder is None:
        raise NotReady(f"collection {collection.name!r}: its encoder is being loaded")
    return embedder


async def _picture_query(
    state: State,
    embedder: Embedder,
    collection: Snapshot | None,
    reference: ImageReference,
    deadline: float,
) -> PictureQuery:
    """Raises Rejected, InvalidRequest, NotFound, AtCapacity, and what embedders raise."""
    if reference.id is None:
        return PictureQuery(await state["pictures"].embedding(embedder, reference, deadline))
    if collection is None:
        raise InvalidRequest("an image is named by its id where a collection is named too")
    return await run_in_threadpool(_of_image, state, collection, reference.id)


def _of_image(state: State, collection: Snapshot, key: str) -> PictureQuery:
    """Blocking. Raises NotFound."""
    with state["database"].read() as session:
        image = repository.image(session, collection.id, key)
    vector = None if image is None else collection.segments.delta.vector_of(image.id)
    if image is None or vector is None:
        raise NotFound(f"collection {collection.name!r} has no image of that id")
    return PictureQuery((vector / np.linalg.norm(vector))[None], image.id)
