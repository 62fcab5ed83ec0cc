"""What a repository's configuration asks for is done, or refused; none of it is ever run."""

import json
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.config import EncoderOptions
from models.encoders.open_clip_source import find
from models.encoders.open_clip_tokens import HubTokenizer
from models.encoding import encode_texts
from models.errors import ModelUnavailable
from models.registry import load_encoder
from models.towers.torch_encoder import TorchEncoder
from models.types import Encoder
from tests.models.fake_hub import serving_hub
from tests.models.towers import FAMILIES, TEXTS

FP32 = EncoderOptions(device="cpu", precision="fp32", offline=True)


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {family: tmp_path_factory.mktemp(family) for family in FAMILIES}
    for family, folder in folders.items():
        FAMILIES[family](folder)
    return folders


@cache
def load(folder: Path) -> Encoder:
    return load_encoder(f"open_clip:local-dir:{folder}", FP32)


def _edited(source: Path, target: Path, changes: dict[str, dict[str, Any]]) -> Path:
    """A copy whose JSON files have other values; a dot leads into a nested object."""
    folder = Path(shutil.copytree(source, target))
    for name, values in changes.items():
        path = folder / name
        config = json.loads(path.read_text())
        for keys, value in values.items():
            *parents, last = keys.split(".")
            inner = config
            for parent in parents:
                inner = inner[parent]
            inner[last] = value
        path.write_text(json.dumps(config))
    return folder


CODE = {"AutoTokenizer": [None, "vocab.Run"], "AutoConfig": "vocab.Run"}


@pytest.mark.parametrize(
    ("family", "file", "change"),
    [
        (
            "siglip",
            "open_clip_config.json",
            {"model_cfg.text_cfg.tokenizer_kwargs": {"trust_remote_code": True}},
        ),
        ("siglip", "tokenizer_config.json", {"auto_map": CODE, "tokenizer_class": "Run"}),
        ("xlm_roberta", "config.json", {"auto_map": CODE, "model_type": "another"}),
    ],
)
def test_a_repository_cannot_run_its_own_code(
    towers: dict[str, Path], tmp_path: Path, family: str, file: str, change: dict[str, Any]
) -> None:
    folder = _edited(towers[family], tmp_path / "hostile", {file: change})
    (folder / "vocab.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelUnavailable, match=r"trust_remote_code|auto_map") as raised:
        load(folder)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "ran").exists()


def test_code_in_a_repository_is_not_even_fetched(
    towers: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"model_cfg.text_cfg.hf_tokenizer_name": "shop/clip"}
    folder = _edited(towers["siglip"], tmp_path / "source", {"open_clip_config.json": change})
    (folder / "vocab.py").write_text("raise SystemExit")
    options = EncoderOptions("cpu", "fp32", tmp_path / "cache")
    with serving_hub(monkeypatch) as hub:
        hub.put("shop/clip", folder)
        load_encoder("open_clip:hf-hub:shop/clip", options)
        assert not any("vocab.py" in asked for asked in hub.requests)


@pytest.mark.parametrize("name", ["hf-hub:timm/vit_base_patch16_224", "hf_hub:a/b", "local-dir:/x"])
def test_an_image_tower_is_not_looked_for_elsewhere(
    towers: dict[str, Path], tmp_path: Path, name: str
) -> None:
    change = {"model_cfg.vision_cfg.timm_model_name": name}
    folder = _edited(towers["siglip"], tmp_path / "elsewhere", {"open_clip_config.json": change})
    with pytest.raises(ModelUnavailable, match="none of timm's own"):
        load(folder)


def test_timm_is_never_asked_for_trained_weights(
    towers: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"model_cfg.vision_cfg.timm_model_pretrained": True}
    folder = _edited(towers["siglip"], tmp_path / "asks", {"open_clip_config.json": change})
    with serving_hub(monkeypatch) as hub:
        vectors = encode_texts(load(folder), TEXTS)
    assert hub.requests == []
    assert np.array_equal(vectors, encode_texts(load(towers["siglip"]), TEXTS))


@pytest.mark.parametrize(
    "change",
    [
        {"preprocess_cfg": {"resize_mode": "squish"}},
        {"preprocess_cfg": {"interpolation": "nearest"}},
        {"preprocess_cfg": {"mode": "L"}},
        {"preprocess_cfg": {"fill_color": [1, 2, 3]}},
        {"preprocess_cfg": {"mean": [0.5, 0.5]}},
        {"model_cfg.text_cfg.context_length": None},
        {"model_cfg.text_cfg.pool_type": "none"},
        {"model_cfg.text_cfg.tokenizer_kwargs": {"clean": "unheard-of"}},
        {"model_cfg.text_cfg.unheard_of": 1},
        {"model_cfg.vision_cfg.output_tokens": True},
        {"model_cfg.multimodal_cfg": {}},
    ],
)
def test_what_a_configuration_asks_in_vain_is_said_and_never_replaced(
    towers: dict[str, Path], tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = _edited(towers["clip"], tmp_path / "모형", {"open_clip_config.json": change})
    with pytest.raises(ModelUnavailable, match=f"^open_clip:local-dir:{folder}: ") as raised:
        load(folder)
    assert "\n" not in str(raised.value)


def test_one_grey_in_three_numbers_is_still_grey(towers: dict[str, Path], tmp_path: Path) -> None:
    change = {"preprocess_cfg": {"fill_color": [7, 7, 7], "resize_mode": "longest"}}
    folder = _edited(towers["clip"], tmp_path / "grey", {"open_clip_config.json": change})
    encoder = load(folder)
    assert isinstance(encoder, TorchEncoder)
    assert encoder._transform.fill == 7


@pytest.mark.parametrize(
    ("family", "change", "said"),
    [
        ("siglip", {"model_cfg.text_cfg.hf_tokenizer_name": None}, "ids up to 49407"),
        ("xlm_roberta", {"model_cfg.text_cfg.context_length": 200}, "texts of 200 tokens"),
    ],
)
def test_a_tokenizer_that_says_more_than_its_tower_reads_is_refused_at_once(
    towers: dict[str, Path], tmp_path: Path, family: str, change: dict[str, Any], said: str
) -> None:
    # On a CUDA device the first query with such an id would end the process.
    folder = _edited(towers[family], tmp_path / "odd", {"open_clip_config.json": change})
    with pytest.raises(ModelUnavailable, match=said):
        load(folder)


def test_nllb_is_known_by_its_tokenizer_whatever_it_is_called(
    towers: dict[str, Path], tmp_path: Path
) -> None:
    change = {"model_cfg.text_cfg.hf_tokenizer_name": "shop/my-clip"}
    renamed = _edited(towers["nllb"], tmp_path / "renamed", {"open_clip_config.json": change})
    ours, theirs = load(renamed).tokenize(TEXTS), load(towers["nllb"]).tokenize(TEXTS)
    assert all(map(np.array_equal, ours, theirs))


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("xlm_roberta", {"config.json": {"_name_or_path": "a", "transformers_version": "9"}}),
        ("clip", {"open_clip_config.json": {"model_cfg.quick_gelu": False}}),
        ("siglip", {"open_clip_config.json": {"model_cfg.text_cfg.hf_tokenizer_name": "a/b"}}),
        ("siglip", {"tokenizer_config.json": {"name_or_path": "a/b"}}),
    ],
)
def test_where_a_model_comes_from_leaves_its_fingerprint_alone(
    towers: dict[str, Path], tmp_path: Path, family: str, changes: dict[str, dict[str, Any]]
) -> None:
    folder = _edited(towers[family], tmp_path / "same", changes)
    (folder / "special_tokens_map.json").write_text("{}")
    assert load(folder).spec.fingerprint == load(towers[family]).spec.fingerprint


def test_a_new_format_is_a_new_fingerprint(
    towers: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(towers["clip"]).spec.fingerprint
    monkeypatch.setattr("models.encoders.assembly.FORMAT", 1000)
    spec = f"open_clip:local-dir:{towers['clip']}"
    assert load_encoder(spec, FP32).spec.fingerprint != before


def test_a_program_in_place_of_weights_is_called_one(
    towers: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(towers["clip"], tmp_path / "program"))
    (folder / "open_clip_model.safetensors").unlink()
    with zipfile.ZipFile(folder / "open_clip_pytorch_model.bin", "w") as archive:
        for name in ("version", "data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"archive/{name}", "3")
    with pytest.raises(ModelUnavailable, match="TorchScript"):
        load(folder)


def test_a_tag_that_was_trained_with_quick_gelu_is_run_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "models.encoders.open_clip_source.fetch_pretrained_tag", lambda *_: tmp_path / "weights"
    )
    assert find("ViT-B-32/openai", FP32).model["quick_gelu"] is True
    assert find("ViT-B-32/laion2b_s34b_b79k", FP32).model["quick_gelu"] is False


def test_a_tokenizer_of_transformers_is_used_by_one_thread_at_a_time() -> None:
    class Inner:
        tokenizer: Any
        inside = 0
        met = False

        def __call__(self, texts: list[str]) -> torch.Tensor:
            self.inside += 1
            time.sleep(0.002)
            self.met |= self.inside > 1
            self.inside -= 1
            return torch.ones(len(texts), 3, dtype=torch.long)

    class Vocabulary:
        pad_token_id = 0

        def get_vocab(self) -> dict[str, int]:
            return {"개": 1}

    inner = Inner()
    inner.tokenizer = Vocabulary()
    tokenizer = HubTokenizer(inner)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tokenizer, [["개"]] * 40))
    assert not inner.met
