"""Embeddings for whoever wants the vectors themselves."""

import base64
import time
from typing import Literal

import numpy as np
from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.errors import InvalidRequest
from app.search.normalize import normalize
from app.search.schemas import QueryText
from app.state import AppState, State
from indexer.catalog import repository
from indexer.errors import Rejected
from indexer.pictures.decode import DecodeLimits, decode
from models.errors import InvalidInput, UnknownModel
from models.types import Embedder, Embeddings

router = APIRouter(prefix="/v1", tags=["embed"], route_class=GuardedRoute)

MAX_ITEMS = 64


class EmbedRequest(BaseModel):
    """Exactly one of `texts` and `images`."""

    model_config = ConfigDict(extra="forbid")

    texts: list[QueryText] | None = Field(None, min_length=1, max_length=MAX_ITEMS)
    images: list[str] | None = Field(
        None, min_length=1, max_length=MAX_ITEMS, description="Picture files in base64"
    )
    model: str | None = Field(None, max_length=255)
    format: Literal["base64", "json"] = "base64"

    @model_validator(mode="after")
    def _one_kind(self) -> "EmbedRequest":
        if (self.texts is None) == (self.images is None):
            raise ValueError("give exactly one of texts and images")
        return self


class EmbedResponse(BaseModel):
    model: str
    dim: int
    embeddings: list[str] | list[list[float]]
    """One a text or image: little-endian float32 in base64, or numbers; unit length."""


@router.post("/embed")
@needs(Scope.READ)
async def embed(state: AppState, request: EmbedRequest) -> EmbedResponse:
    settings = state["settings"]
    embedder = await run_in_threadpool(_embedder, state, request.model)
    if request.texts is not None:
        deadline = time.monotonic() + settings.query_timeout_seconds
        texts = [_normalized(number, text) for number, text in enumerate(request.texts)]
        vectors = await embedder.embed_texts(texts, deadline)
    else:
        size = embedder.spec.image_size
        images = await run_in_threadpool(_decoded, state, request.images or [], size)
        deadline = time.monotonic() + settings.image_timeout_seconds
        vectors = await embedder.embed_images(images, deadline)
    return EmbedResponse(
        model=embedder.spec.id,
        dim=embedder.spec.dim,
        embeddings=vectors.tolist() if request.format == "json" else _base64(vectors),
    )


def _embedder(state: State, model: str | None) -> Embedder:
    """Only a model that is in use anyway: loading takes minutes and memory, and is not undone.

    Raises ModelError.
    """
    default = state["settings"].model
    if model not in {None, default}:
        with state["database"].read() as session:
            used = {owner.model for owner in repository.collections(session)}
        if model not in used:
            raise UnknownModel("no collection uses that model")
    return state["embedders"].of(model or default)


def _normalized(number: int, text: str) -> str:
    try:
        return normalize(text)
    except InvalidInput as error:
        raise InvalidRequest(f"texts.{number}: {error}") from error


def _decoded(state: State, images: list[str], size: int) -> list[Image.Image]:
    """One picture at a time is in memory whole; what waits for the encoder is scaled down."""
    settings = state["settings"]
    limits = DecodeLimits(settings.max_image_bytes, settings.max_image_pixels)
    pictures = []
    for number, text in enumerate(images):
        try:
            data = base64.b64decode(text, validate=True)
            picture = decode(data, limits=limits, min_side_hint=size).image
        except ValueError as error:
            raise InvalidRequest(f"images.{number}: not base64") from error
        except Rejected as error:
            state["metrics"].rejected.labels(error.reason.value).inc()
            raise InvalidRequest(f"images.{number}: {error}") from error
        pictures.append(picture)
    return pictures


def _base64(vectors: Embeddings) -> list[str]:
    rows = np.ascontiguousarray(vectors, "<f4")
    return [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
