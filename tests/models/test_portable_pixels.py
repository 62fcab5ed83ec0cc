"""Processes that prepare pictures for an encoder get its way of making pixels, and no weights."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.config import EncoderOptions
from models.registry import load_encoder
from tests.models import towers

_FEW_BYTES = 10_000


@pytest.mark.parametrize("model", ["starter", "starter+grid", "open_clip", "open_clip+grid"])
def test_what_travels_is_small_and_makes_the_same_pixels(model: str, tmp_path: Path) -> None:
    towers.clip(tmp_path)
    spec = model.replace("open_clip", f"open_clip:local-dir:{tmp_path}")
    encoder = load_encoder(spec, EncoderOptions(device="cpu", prompt_templates="on"))
    sent = pickle.dumps(encoder.portable_pixels)
    assert len(sent) < _FEW_BYTES
    portable = pickle.loads(sent)  # noqa: S301 - its own
    picture = Image.effect_noise((90, 60), 80).convert("RGB")
    assert np.array_equal(portable(picture), encoder.to_pixels(picture))
