"""What is known of each recommended model before it is loaded: size, licence, figures.

The figures are those of `model_cards.toml`, each with its source. Nothing is estimated.
"""

import logging
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from models.language import Language

_log = logging.getLogger(__name__)

_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Quality:
    """How well text finds pictures, in one published or own measurement."""

    benchmark: str
    metric: str
    ko: float | None
    en: float | None
    source: str


@dataclass(frozen=True)
class ModelCard:
    spec: str
    dim: int
    image_size: int
    licence: str
    languages: tuple[str, ...]
    """Of Korean and English, those that it was trained to read."""
    advice: str
    quality: tuple[Quality, ...]
    parameters: int | None = None
    """Millions, both towers; None where it was not counted."""
    templates: tuple[Language, ...] = ()
    """Languages in which prompt templates were measured to help it; see `models.templates`."""
    repository: str | None = None
    """Of the hub; the weights of the text tower, where there are two."""
    role: str | None = None
    """`default`, `fast` or `quality`, for the models recommended in production."""

    @property
    def non_commercial(self) -> bool:
        return is_non_commercial(self.licence)

    def memory(self, precision: str) -> float | None:
        """GB of weights in `fp32`, `bf16` or `fp16`; what a batch takes comes on top."""
        return self.parameters * _BYTES[precision] / 1000 if self.parameters else None


def is_non_commercial(licence: str) -> bool:
    return "NC" in licence.upper().split("-")


@cache
def all_cards() -> tuple[ModelCard, ...]:
    """As they are listed: the starter, then by how much each is recommended."""
    listed = tomllib.loads(files("models").joinpath("model_cards.toml").read_text("utf-8"))
    return tuple(_card(**entry) for entry in listed["model"])


def card_of(spec: str) -> ModelCard | None:
    """The card of a model spec; one tag stands for its model, and a repository for its tag.

    None for a model that is not listed, such as any in a local folder.
    """
    scheme, _, name = spec.partition(":")
    for card in all_cards():
        names = {card.spec, f"{scheme}:hf-hub:{card.repository}"}
        if spec in names and card.spec.partition(":")[0] == scheme:
            return card
    tagged = [card for card in all_cards() if name and card.spec.startswith(f"{spec}/")]
    return tagged[0] if len(tagged) == 1 else None


def terms_of(spec: str) -> tuple[str, tuple[str, ...]]:
    """Licence and languages; "unknown" and none, said in the log, of a model not listed."""
    card = card_of(spec)
    if card is None:
        _log.warning("%s: its licence and languages are not known here", spec)
        return "unknown", ()
    return card.licence, card.languages


def _card(
    languages: list[str],
    quality: list[dict[str, Any]],
    templates: Sequence[Language] = (),
    **fields: Any,
) -> ModelCard:
    return ModelCard(
        languages=tuple(languages),
        quality=tuple(Quality(**entry) for entry in quality),
        templates=tuple(templates),
        **fields,
    )
