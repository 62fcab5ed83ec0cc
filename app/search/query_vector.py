"""What is asked for, as one point of the collection's space."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRequest
from app.search.errors import InvalidField
from app.search.pictures import PictureQuery, embedder_of, picture_queries
from app.search.schemas import ImageReference, SearchRequest
from app.search.understanding import query_of
from app.serving.snapshot import Segments, Snapshot
from app.state import State
from indexer.backends.base import Modality
from indexer.versions.relevance import Background
from models.errors import InvalidInput
from models.types import Embeddings

_CANCELLED_OUT = 1e-2
"""Of the weights' sum: less is left of a query than vectors in float16 are exact to."""


@dataclass(slots=True)
class QueryVector:
    embedding: Embeddings
    """Shape (1, dim)."""
    modality: Modality
    background: Background
    """What its cosines are worth."""
    asking: frozenset[int] = frozenset()
    """Images that it was made of: no answers to their own question."""

    def relevances(self, cosines: NDArray[np.floating]) -> NDArray[np.float64]:
        """Shape (n,), as hits show them. Rounded before they are compared with anything: one that
        was shown is a bound that includes it.
        """
        return self.background.relevance(cosines).astype(np.float64).round(4)


class _Part(NamedTuple):
    text: str | None
    """Normalised."""
    image: ImageReference | None
    weight: float
    where: str
    """In the request, as errors name it."""


async def query_vector(
    state: State, collection: Snapshot, request: SearchRequest, normalized: str | None
) -> QueryVector:
    """The sum of the parts' embeddings by weight, of unit length. `normalized`: the request's text.

    Raises InvalidRequest, BadPicture, NotReady, AtCapacity, and what embedders raise.
    """
    parts = _parts(request, normalized)
    texts = await _of_texts(state, collection, parts)
    segments = collection.segments
    if len(parts) == len(texts) == 1 and parts[0].weight > 0:  # as most are
        return QueryVector(texts, "text", segments.backgrounds.text)
    pictures = await _of_pictures(state, collection, parts)
    of_texts, of_pictures = iter(texts), (picture.embedding[0] for picture in pictures)
    rows = [next(of_texts if part.image is None else of_pictures) for part in parts]
    return QueryVector(
        _combined(np.stack(rows), np.array([part.weight for part in parts])),
        "text" if len(texts) else "image",
        _background(segments, parts),
        frozenset(picture.image for picture in pictures if picture.image is not None),
    )


def _parts(request: SearchRequest, normalized: str | None) -> list[_Part]:
    """Raises InvalidField."""
    parts = []
    if normalized is not None:
        parts.append(_Part(normalized, None, 1.0, "text"))
    if request.image is not None:
        parts.append(_Part(None, request.image, 1.0, "image"))
    for number, part in enumerate(request.queries):
        text, where = part.text, f"queries.{number}.{'image' if part.text is None else 'text'}"
        if text is not None:
            text = _normalized(text, where, verbatim=request.verbatim)
        parts.append(_Part(text, part.image, part.weight, where))
    return parts


def _normalized(text: str, where: str, *, verbatim: bool) -> str | None:
    try:
        return query_of(text, verbatim=verbatim).normalized
    except InvalidInput as error:
        raise InvalidField(where, str(error)) from None


async def _of_texts(state: State, collection: Snapshot, parts: Sequence[_Part]) -> Embeddings:
    """Shape (texts, dim): all in one call."""
    texts = [part.text for part in parts if part.text is not None]
    if not texts:
        return np.empty((0, collection.segments.space.dim), np.float32)
    deadline = time.monotonic() + state["settings"].query_timeout_seconds
    return await embedder_of(collection).embed_texts(texts, deadline)


async def _of_pictures(
    state: State, collection: Snapshot, parts: Sequence[_Part]
) -> list[PictureQuery]:
    references = {part.where: part.image for part in parts if part.image is not None}
    deadline = time.monotonic() + state["settings"].image_timeout_seconds
    return await picture_queries(state, embedder_of(collection), collection, references, deadline)


def _combined(rows: Embeddings, weights: NDArray[np.float64]) -> Embeddings:
    """Shape (1, dim). Raises InvalidRequest where too little is left to have a direction."""
    total = weights @ rows.astype(np.float64)
    length = np.linalg.norm(total)
    if length < _CANCELLED_OUT * np.abs(weights).sum():
        raise InvalidRequest("the parts of the query cancel each other out")
    return (total / length).astype(np.float32)[None]


def _background(segments: Segments, parts: Sequence[_Part]) -> Background:
    """Between those of texts and of images, as the parts that are wanted weigh."""
    backgrounds = segments.backgrounds
    wanted = [part for part in parts if part.weight > 0] or parts
    texts = sum(abs(part.weight) for part in wanted if part.text is not None)
    share = texts / sum(abs(part.weight) for part in wanted)
    if share in {0, 1}:
        return backgrounds.text if share else backgrounds.image
    mixed = share * np.array(backgrounds.text.reached) + (1 - share) * np.array(
        backgrounds.image.reached
    )
    return Background(reached=mixed.tolist())
