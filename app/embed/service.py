"""Embeddings for whoever wants the vectors themselves, and the labels nearest to a picture."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray

from app.embed.schemas import ClassifyRequest, EmbedRequest, LabelScore
from app.search.errors import InvalidField
from app.search.pictures import embedder_of, picture_queries
from app.search.schemas import ImageReference
from app.search.typed.normalize import normalize
from app.serving.snapshot import Snapshot
from app.state import State
from indexer.catalog import repository
from models.errors import InvalidInput, UnknownModel
from models.regions.schemes import split
from models.types import Embedder, Embeddings

_AT_ONCE = 32
"""Texts: the queries of people, who wait, come in between."""


@dataclass(frozen=True)
class Space:
    """Where a request's texts and pictures are placed."""

    embedder: Embedder
    collection: Snapshot | None
    """Whose images can be named."""


async def space_of(state: State, model: str | None, collection: str | None) -> Space:
    """Raises UnknownCollection, NotReady, ModelError."""
    if collection is None:
        return Space(await run_in_threadpool(_embedder, state, model), None)
    serving = state["serving"]
    snapshot = serving.get(collection)
    if snapshot is None:
        snapshot = await run_in_threadpool(serving.look_up, collection)
    return Space(embedder_of(snapshot), snapshot)


async def embed(state: State, space: Space, request: EmbedRequest) -> Embeddings:
    """Shape (n, dim). Raises InvalidField, BadPicture, AtCapacity, and what embedders raise."""
    deadline = _deadline(state)
    if request.texts is not None:
        return await _embed_texts(space, "texts", request.texts, deadline)
    pictures = {f"images.{number}": each for number, each in enumerate(request.images or [])}
    return await _embed_pictures(state, space, pictures, deadline)


async def classify(state: State, space: Space, request: ClassifyRequest) -> list[LabelScore]:
    """Best first. Raises InvalidField, BadPicture, AtCapacity, and what embedders raise."""
    deadline = _deadline(state)
    _require_distinct(request.labels)
    picture = await _embed_pictures(state, space, {"image": request.image}, deadline)
    texts = await _embed_texts(space, "labels", request.labels, deadline)
    cosines = np.clip(texts @ picture[0], -1, 1).astype(np.float64)
    probabilities = _softmax(space.embedder.spec.logit_scale * cosines)
    return [
        LabelScore(
            label=request.labels[n],
            probability=round(float(probabilities[n]), 6),
            score=round(float(cosines[n]), 6),
        )
        for n in np.argsort(-cosines, kind="stable")
    ]


def _embedder(state: State, model: str | None) -> Embedder:
    """Only a model that is in use anyway: loading takes minutes and memory, and is not undone.

    Raises ModelError.
    """
    default = split(state["settings"].model)[0]
    if model not in {None, default}:
        with state["database"].read() as session:
            used = {split(owner.model)[0] for owner in repository.collections(session)}
        if model not in used:
            raise UnknownModel("no collection uses that model")
    return state["embedders"].of(model or default)


async def _embed_texts(
    space: Space, field: str, texts: Sequence[str], deadline: float
) -> Embeddings:
    asked = [_normalized(f"{field}.{number}", text) for number, text in enumerate(texts)]
    return np.concatenate(
        [
            await space.embedder.embed_texts(asked[start : start + _AT_ONCE], deadline)
            for start in range(0, len(asked), _AT_ONCE)
        ]
    )


async def _embed_pictures(
    state: State, space: Space, references: Mapping[str, ImageReference], deadline: float
) -> Embeddings:
    made = await picture_queries(state, space.embedder, space.collection, references, deadline)
    return np.concatenate([query.embedding for query in made])


def _normalized(field: str, text: str) -> str:
    try:
        return normalize(text)
    except InvalidInput as error:
        raise InvalidField(field, str(error)) from error


def _require_distinct(labels: Sequence[str]) -> None:
    seen: set[str] = set()
    for number, label in enumerate(labels):
        text = _normalized(f"labels.{number}", label)
        if text in seen:
            raise InvalidField(f"labels.{number}", "the label was given before")
        seen.add(text)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(logits - logits.max())
    return np.asarray(odds / odds.sum())


def _deadline(state: State) -> float:
    return time.monotonic() + state["settings"].image_timeout_seconds
