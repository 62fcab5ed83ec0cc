"""Vectors of texts and pictures, and zero-shot labels of a picture."""

import base64

import numpy as np
from fastapi import APIRouter

from app.auth.scopes import Scope, needs
from app.embed import service
from app.embed.schemas import ClassifyRequest, ClassifyResponse, EmbedRequest, EmbedResponse
from app.images.route import PictureRoute
from app.problem_codes import ENCODER_CODES
from app.refusals import refuses
from app.state import AppState
from models.types import Embeddings

router = APIRouter(prefix="/v1", tags=["embed"], route_class=PictureRoute)

_CODES = (
    "unknown_collection",
    "not_found",
    "invalid_input",
    "image_rejected",
    "unknown_model",
    "index_away",
    *ENCODER_CODES,
)


@router.post("/embed", summary="Embed texts or pictures")
@needs(Scope.READ)
@refuses(*_CODES)
async def embed(state: AppState, request: EmbedRequest) -> EmbedResponse:
    """As searches embed them: what is alike is near. Nothing is stored."""
    space = await service.space_of(state, request.model, request.collection)
    vectors = await service.embed(state, space, request)
    spec = space.embedder.spec
    return EmbedResponse(
        model=spec.id,
        dim=spec.dim,
        embeddings=vectors.tolist() if request.encoding == "float" else _base64(vectors),
    )


@router.post("/classify", summary="Label a picture")
@needs(Scope.READ)
@refuses(*_CODES)
async def classify(state: AppState, request: ClassifyRequest) -> ClassifyResponse:
    """Which of the labels a picture shows, by a model that was never taught them."""
    space = await service.space_of(state, request.model, request.collection)
    labels = await service.classify(state, space, request)
    return ClassifyResponse(model=space.embedder.spec.id, labels=labels)


def _base64(vectors: Embeddings) -> list[str]:
    rows = np.ascontiguousarray(vectors, "<f4")
    return [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
