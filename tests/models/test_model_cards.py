"""What people choose a model by must be true of the model that they then get."""

import logging
import subprocess
import sys
from dataclasses import replace

import open_clip
import pytest
import torch
from open_clip.pretrained import get_pretrained_cfg

from models.encoders.koclip import _PUBLISHED
from models.encoders.mclip import _TEACHERS
from models.model_cards import ModelCard, all_cards, card_of, is_non_commercial, terms_of
from models.registry import _SCHEMES, load_encoder
from tests import tiny_encoder
from tests.tiny_encoder import TinyEncoder

OPEN_CLIP = [card for card in all_cards() if card.spec.startswith("open_clip:")]


@pytest.mark.parametrize("card", OPEN_CLIP, ids=lambda card: card.spec)
def test_a_card_says_what_open_clip_says(card: ModelCard) -> None:
    name, _, tag = card.spec.removeprefix("open_clip:").partition("/")
    config = open_clip.get_model_config(name)
    assert config["embed_dim"] == card.dim
    assert config["vision_cfg"]["image_size"] == card.image_size
    assert get_pretrained_cfg(name, tag)["hf_hub"] == f"{card.repository}/"


@pytest.mark.parametrize("role", ["default", "fast"])
def test_the_parameters_are_counted(role: str) -> None:
    (card,) = [card for card in all_cards() if card.role == role]
    name = card.spec.removeprefix("open_clip:").partition("/")[0]
    with torch.device("meta"):
        model = open_clip.create_model(name, load_weights=False, device="meta")
    assert card.parameters == round(sum(p.numel() for p in model.parameters()) / 1e6)


def test_every_published_name_has_a_card_and_a_loader() -> None:
    listed = {card.spec for card in all_cards()}
    assert {f"mclip:{name}" for name in _TEACHERS} <= listed
    assert {f"koclip:{name}" for name in _PUBLISHED} <= listed
    assert {spec.partition(":")[0] for spec in listed} <= _SCHEMES.keys()


@pytest.mark.parametrize("name", _TEACHERS)
def test_the_image_tower_of_an_mclip_has_its_dimensions(name: str) -> None:
    card = card_of(f"mclip:{name}")
    teacher, _, tag = _TEACHERS[name].partition("/")
    config = open_clip.get_model_config(teacher)
    assert card is not None
    assert (config["embed_dim"], config["vision_cfg"]["image_size"]) == (card.dim, card.image_size)
    assert get_pretrained_cfg(teacher, tag)


def test_no_figure_stands_without_its_source() -> None:
    for card in all_cards():
        for quality in card.quality:
            assert quality.source
            assert quality.metric
            limit = 1 if quality.metric == "mAP" else 100
            assert all(0 < value < limit for value in (quality.ko, quality.en) if value)


def test_figures_that_nobody_could_check_say_so() -> None:
    siglip = [card for card in all_cards() if "SigLIP2" in card.spec]
    assert len(siglip) == 3
    assert all("not checked" in quality.source for card in siglip for quality in card.quality)


@pytest.mark.parametrize(
    ("spec", "listed"),
    [
        ("starter", "starter"),
        ("open_clip:ViT-B-16-SigLIP2/webli", "open_clip:ViT-B-16-SigLIP2/webli"),
        ("open_clip:ViT-B-16-SigLIP2", "open_clip:ViT-B-16-SigLIP2/webli"),
        ("open_clip:hf-hub:timm/ViT-B-16-SigLIP2", "open_clip:ViT-B-16-SigLIP2/webli"),
        ("koclip:hf-hub:koclip/koclip-base-pt", "koclip:base"),
        ("open_clip:nllb-clip-base-siglip", None),  # has two tags
        ("open_clip:local-dir:/모형", None),
        ("open_clip:hf-hub:None", None),
        ("mclip:hf-hub:timm/ViT-B-16-SigLIP2", None),
        ("", None),
    ],
)
def test_a_model_is_known_under_each_of_its_names(spec: str, listed: str | None) -> None:
    card = card_of(spec)
    assert (card and card.spec) == listed


def test_an_unlisted_model_has_no_licence_made_up(caplog: pytest.LogCaptureFixture) -> None:
    assert terms_of("open_clip:local-dir:/x") == ("unknown", ())
    assert "not known" in caplog.text


@pytest.mark.parametrize(
    ("licence", "expected"), [("CC-BY-NC-4.0", True), ("Apache-2.0", False), ("ENCORE", False)]
)
def test_non_commercial_licences_are_told_from_others(licence: str, *, expected: bool) -> None:
    assert is_non_commercial(licence) is expected


def test_loading_a_non_commercial_model_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = TinyEncoder()
    monkeypatch.setattr(tiny_encoder, "load", lambda *_: encoder)
    load_encoder("tiny")
    assert caplog.text == ""
    encoder.spec = replace(encoder.spec, licence="CC-BY-NC-4.0")
    with caplog.at_level(logging.WARNING):
        load_encoder("tiny")
    assert "no commercial use" in caplog.text


def test_the_list_is_read_without_the_heavy_libraries() -> None:
    """A server with the starter starts in two seconds; PyTorch alone takes as long."""
    code = (
        "import sys, models.registry, models.model_cards as cards; cards.all_cards();"
        "print({'torch', 'transformers', 'open_clip', 'huggingface_hub'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
