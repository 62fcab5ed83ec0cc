"""With templates a text is the mean of its prompts, and nothing is mixed with what was without."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models import templates
from models.batching.embedder import LocalEmbedder
from models.batching.metrics import EncodeMetrics
from models.config import EncoderOptions
from models.encoding import encode_texts
from models.errors import EncodingFailed, InvalidInput
from models.language import Language
from models.model_cards import all_cards
from models.registry import load_encoder
from models.templates import TEMPLATES, TemplatedEncoder, with_templates
from models.types import Embeddings, Tokens
from tests.tiny_encoder import TinyEncoder

TEXTS = ["빨강", "a red shoe", "블랙 leather 자켓", "犬", "{}", "{0.__class__}", "x" * 900]
"""Korean, English, both, neither; what a template's own syntax would trip over."""


def mean_of_prompts(text: str, templates: tuple[str, ...]) -> Embeddings:
    prompts = [template.replace("{}", text) for template in templates]
    mean = encode_texts(TinyEncoder(), prompts).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def language(text: str) -> Language:
    return "ko" if text in {"빨강", "블랙 leather 자켓"} else "en"


def test_a_text_is_the_mean_of_its_prompts_in_its_own_language() -> None:
    found = encode_texts(with_templates(TinyEncoder(), "on"), TEXTS)
    expected = [mean_of_prompts(text, TEMPLATES[language(text)]) for text in TEXTS]
    assert np.allclose(found, expected, atol=1e-6)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_a_language_without_templates_is_encoded_as_it_is() -> None:
    found = encode_texts(TemplatedEncoder(TinyEncoder(), ["ko"]), ["빨강", "sea"])
    assert np.allclose(found[0], mean_of_prompts("빨강", TEMPLATES["ko"]), atol=1e-6)
    assert np.allclose(found[1], encode_texts(TinyEncoder(), ["sea"])[0], atol=1e-6)


@pytest.mark.anyio
async def test_queries_in_a_batch_meet_what_an_index_was_calibrated_with() -> None:
    encoder = with_templates(TinyEncoder(), "on")
    embedder = LocalEmbedder(encoder, EncodeMetrics(CollectorRegistry()))
    embedder.warm_up()
    try:
        found = await embedder.embed_texts(TEXTS, time.monotonic() + 20)
    finally:
        await embedder.close()
    assert np.array_equal(found, encode_texts(encoder, TEXTS))


def test_no_text_is_longer_than_the_spec_says() -> None:
    encoder = with_templates(TinyEncoder(), "on")
    longest = encoder.spec.text_lengths[-1]
    assert all(len(tokens) <= longest for tokens in encoder.tokenize([*TEXTS, "가" * 1000]))


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_a_blank_text_is_refused_though_its_prompts_are_not_blank(text: str) -> None:
    with pytest.raises(InvalidInput):
        with_templates(TinyEncoder(), "on").tokenize(["red", text])


def test_prompts_that_cancel_out_are_an_error_and_not_a_nan() -> None:
    class Contrary(TinyEncoder):
        def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
            return np.stack([np.full(self.spec.dim, (-1.0) ** n) for n in range(len(batch))])

    encoder = TemplatedEncoder(Contrary(), ["en"])
    encoder._templates = {"en": ("{}", "a {}")}
    with pytest.raises(EncodingFailed):
        encode_texts(encoder, ["red"])


def test_an_encoder_with_templates_is_another_one() -> None:
    """Its fingerprint guards versions whose calibration and relevance were measured without."""
    plain = TinyEncoder()
    both, korean = with_templates(plain, "on"), TemplatedEncoder(plain, ["ko"])
    prints = {encoder.spec.fingerprint for encoder in (plain, both, korean)}
    assert len(prints) == 3
    assert both.spec.fingerprint == with_templates(TinyEncoder(), "on").spec.fingerprint
    assert both.spec.id == plain.spec.id


def test_changed_templates_are_another_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = with_templates(TinyEncoder(), "on").spec.fingerprint
    monkeypatch.setitem(TEMPLATES, "ko", ("{}", "{} 스케치"))
    assert with_templates(TinyEncoder(), "on").spec.fingerprint != before


@pytest.mark.parametrize("choice", ["auto", "off"])
def test_without_a_figure_on_its_card_an_encoder_stays_as_it_is(choice: str) -> None:
    encoder = TinyEncoder()
    assert with_templates(encoder, choice) is encoder


def test_the_card_decides_where_nobody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = replace(all_cards()[0], templates=("ko",))
    monkeypatch.setattr(templates, "card_of", lambda _: measured)
    found = with_templates(TinyEncoder(), "auto")
    assert found.spec.fingerprint == TemplatedEncoder(TinyEncoder(), ["ko"]).spec.fingerprint
    assert with_templates(found, "off") is found


def test_a_model_is_loaded_with_the_templates_that_were_asked_for() -> None:
    plain, templated = (
        load_encoder("tiny", EncoderOptions(prompt_templates=choice)) for choice in ("auto", "on")
    )
    assert plain.spec == TinyEncoder().spec
    assert templated.spec.fingerprint == with_templates(plain, "on").spec.fingerprint


def test_the_starter_is_what_collections_were_made_with() -> None:
    """Templates were measured not to help it: docs/decisions/0015."""
    found = load_encoder("starter").spec.fingerprint
    assert found == load_encoder("starter", EncoderOptions(prompt_templates="off")).spec.fingerprint
