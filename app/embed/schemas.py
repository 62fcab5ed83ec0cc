"""What is asked of embedding and classifying, and what is answered."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.search.schemas import ImageReference, QueryText
from app.text import StorableText

MAX_TEXTS = 256
MAX_IMAGES = 16
MAX_LABELS = 256


class _InASpace(BaseModel):
    """At most one of `model` and `collection`; neither: the settings' model."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: Annotated[str, Field(max_length=255)] | None = None
    """One that is in use: the settings' or a collection's."""
    collection: StorableText | None = None
    """Its model, in the edition that it was indexed with; its images can be named by id."""

    @model_validator(mode="after")
    def _one_space(self) -> "_InASpace":
        if self.model is not None and self.collection is not None:
            raise ValueError("give at most one of model and collection")
        return self


class EmbedRequest(_InASpace):
    """Exactly one of `texts` and `images`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"texts": ["빨간 운동화", "red sneakers"]},
                {"images": [{"url": "https://cdn.example/red.jpg"}], "encoding": "float"},
            ]
        }
    )

    texts: Annotated[list[QueryText], Field(min_length=1, max_length=MAX_TEXTS)] | None = None
    """Korean or English."""
    images: Annotated[list[ImageReference], Field(min_length=1, max_length=MAX_IMAGES)] | None = (
        None
    )
    """Pictures; by `id` where a collection is named."""
    encoding: Literal["base64", "float"] = "base64"
    """Of the embeddings in the answer."""

    @model_validator(mode="after")
    def _one_kind(self) -> "EmbedRequest":
        if (self.texts is None) == (self.images is None):
            raise ValueError("give exactly one of texts and images")
        return self


class EmbedResponse(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"model": "starter", "dim": 4, "embeddings": [[0.5, -0.5, 0.5, 0.5]]}]
        },
    )

    model: str
    """Whose they are."""
    dim: int
    """Numbers of an embedding."""
    embeddings: list[str] | list[list[float]]
    """One a text or image: little-endian float32 in base64, or numbers; unit length."""


class ClassifyRequest(_InASpace):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image": {"url": "https://cdn.example/1.jpg"}, "labels": ["운동화", "a boot"]}
            ]
        }
    )

    image: ImageReference
    """The picture; by `id` where a collection is named."""
    labels: Annotated[list[QueryText], Field(min_length=2, max_length=MAX_LABELS)]
    """Korean or English, no two of them the same."""


_LABEL: JsonDict = {"label": "운동화", "probability": 0.93, "score": 0.281}


class LabelScore(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True, json_schema_extra={"examples": [_LABEL]}
    )

    label: str
    """As it was sent."""
    probability: float
    """That it is this one of the given labels; together they are 1."""
    score: float
    """Cosine."""


class ClassifyResponse(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"model": "starter", "labels": [_LABEL]}]},
    )

    model: str
    """By which it was labelled."""
    labels: list[LabelScore]
    """Best first."""
