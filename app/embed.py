"""Embeddings for whoever wants the vectors themselves."""

import base64
from typing import Literal

import numpy as np
from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.errors import InvalidRequest
from app.search.normalize import normalize
from app.search.schemas import QueryText
from app.state import AppState, State
from indexer.decode import DecodeLimits, decode
from indexer.errors import Rejected
from models.errors import InvalidInput
from models.types import Embeddings, Encoder

router = APIRouter(prefix="/v1", tags=["embed"])

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
async def embed(state: AppState, request: EmbedRequest) -> EmbedResponse:
    settings = state["settings"]
    embedder = await run_in_threadpool(state["serving"].embedder, request.model or settings.model)
    if request.texts is not None:
        texts = [_normalized(number, text) for number, text in enumerate(request.texts)]
        state["metrics"].encode_batch_size.observe(len(texts))
        vectors = await embedder.embed(texts)
    else:
        vectors = await run_in_threadpool(
            _embed_images, state, embedder.encoder, request.images or []
        )
    return EmbedResponse(
        model=embedder.encoder.spec.id,
        dim=embedder.encoder.spec.dim,
        embeddings=vectors.tolist() if request.format == "json" else _base64(vectors),
    )


def _normalized(number: int, text: str) -> str:
    try:
        return normalize(text)
    except InvalidInput as error:
        raise InvalidRequest(f"texts.{number}: {error}") from error


def _embed_images(state: State, encoder: Encoder, images: list[str]) -> Embeddings:
    """One picture at a time is in memory whole; what waits for the encoder is small."""
    settings = state["settings"]
    limits = DecodeLimits(settings.max_image_bytes, settings.max_image_pixels)
    pixels = []
    for number, text in enumerate(images):
        try:
            data = base64.b64decode(text, validate=True)
            picture = decode(data, limits=limits, min_side_hint=encoder.spec.image_size).image
        except ValueError as error:
            raise InvalidRequest(f"images.{number}: not base64") from error
        except Rejected as error:
            state["metrics"].rejected.labels(error.reason.value).inc()
            raise InvalidRequest(f"images.{number}: {error}") from error
        pixels.append(encoder.to_pixels(picture))
    return encoder.encode_pixels(pixels)


def _base64(vectors: Embeddings) -> list[str]:
    rows = np.ascontiguousarray(vectors, "<f4")
    return [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
