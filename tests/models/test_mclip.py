"""M-CLIP must say what its paper says: a vector that is off finds the wrong picture."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import skimage.data
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, XLMRobertaConfig

from models.config import EncoderOptions
from models.encoders import mclip
from models.encoders.hf_text import LONGEST
from models.encoding import encode_images, encode_texts
from models.errors import InvalidInput, ModelUnavailable, UnknownModel
from models.registry import load_encoder
from models.types import Embeddings, Encoder
from tests.models import hf_towers
from tests.models.fake_hub import serving_hub
from tests.models.towers import TEXTS

FP32 = EncoderOptions(device="cpu", precision="fp32", offline=True)
BF16 = EncoderOptions(device="cpu", precision="bf16", offline=True)
PHOTOS = Path(skimage.data.__file__).parent
TEXT_WEIGHTS = "text/model.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mclip")
    hf_towers.mclip(folder)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """One to damage."""
    return Path(shutil.copytree(trained, tmp_path / "다국어 모형"))


def load(folder: Path, options: EncoderOptions = FP32) -> Encoder:
    return load_encoder(f"mclip:local-dir:{folder}", options)


def pictures() -> list[Image.Image]:
    names = ("astronaut.png", "coffee.png", "rocket.jpg", "chelsea.png")
    return [Image.open(PHOTOS / name).convert("RGB") for name in names]


@torch.inference_mode()
def stock_texts(folder: Path, texts: tuple[str, ...]) -> Embeddings:
    """The formula of the paper, on transformers' own tower and tokenizer, padded."""
    base = XLMRobertaConfig.from_json_file(folder / "text/base_config.json")
    tower = hf_towers.MultilingualClip(base, 48).eval()
    tower.load_state_dict(load_file(folder / TEXT_WEIGHTS))
    settings = {"padding": "max_length", "truncation": True, "max_length": LONGEST}
    tokenizer = AutoTokenizer.from_pretrained(folder / "text")
    read = tokenizer(list(texts), return_tensors="pt", **settings)
    return unit(tower(read["input_ids"], read["attention_mask"]))


@torch.inference_mode()
def stock_images(folder: Path, images: list[Image.Image]) -> Embeddings:
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder / 'image'}")
    return unit(model.eval().encode_image(torch.stack([transform(image) for image in images])))


def unit(rows: torch.Tensor) -> Embeddings:
    normalised: Embeddings = torch.nn.functional.normalize(rows, dim=-1).numpy()
    return normalised


def worst_cosine(ours: Embeddings, stock: Embeddings) -> float:
    return float((ours * stock).sum(axis=1).min())


@pytest.mark.parametrize(("options", "floor"), [(FP32, 0.9999), (BF16, 0.999)])
def test_texts_lie_where_the_paper_and_pictures_where_open_clip_puts_them(
    trained: Path, options: EncoderOptions, floor: float
) -> None:
    encoder = load(trained, options)

    texts = stock_texts(trained, TEXTS)
    assert worst_cosine(encode_texts(encoder, TEXTS), texts) > floor
    assert worst_cosine(texts[:1], texts[1:2]) < 0.99  # or the line above says little

    images = stock_images(trained, pictures())
    assert worst_cosine(encode_images(encoder, pictures()), images) > floor
    assert worst_cosine(images[:1], images[1:2]) < 0.99


def test_a_short_text_means_the_same_beside_a_long_one(trained: Path) -> None:
    encoder = load(trained)
    tokens = encoder.tokenize(TEXTS)
    alone = np.concatenate([encoder.encode_tokens([one]) for one in tokens])
    assert worst_cosine(alone, encoder.encode_tokens(tokens)) > 0.9999


def test_a_text_with_nothing_to_read_is_refused(trained: Path) -> None:
    with pytest.raises(InvalidInput):
        load(trained).tokenize(["a cat", "\t "])


def test_no_tensor_is_left_at_random(folder: Path) -> None:
    tensors = load_file(folder / TEXT_WEIGHTS)
    del tensors["LinearTransformation.bias"]
    save_file(tensors, folder / TEXT_WEIGHTS)
    with pytest.raises(ModelUnavailable, match=r"lacks 1 .* LinearTransformation\.bias"):
        load(folder)


def test_towers_that_do_not_belong_together_are_refused(folder: Path) -> None:
    tensors = load_file(folder / TEXT_WEIGHTS)
    tensors["LinearTransformation.weight"] = tensors["LinearTransformation.weight"][:40]
    tensors["LinearTransformation.bias"] = tensors["LinearTransformation.bias"][:40]
    save_file(tensors, folder / TEXT_WEIGHTS)
    (folder / "text/config.json").write_text(json.dumps({"numDims": 40}))
    with pytest.raises(ModelUnavailable, match="do not belong together"):
        load(folder)


@pytest.mark.parametrize(
    "name",
    [
        TEXT_WEIGHTS,
        "text/config.json",
        "text/base_config.json",
        "text/tokenizer.json",
        "image/open_clip_config.json",
        "image/open_clip_model.safetensors",
    ],
)
def test_a_missing_or_cut_file_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailable, match=Path(name).name.replace(".", r"\.")):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelUnavailable, match=Path(name).name.replace(".", r"\.")):
        load(folder)


@pytest.mark.parametrize("tensor", ["LinearTransformation.bias", "visual.conv1.weight"])
def test_the_fingerprint_goes_with_both_towers(folder: Path, tensor: str) -> None:
    first = load(folder).spec.fingerprint
    path = folder / (TEXT_WEIGHTS if "Linear" in tensor else "image/open_clip_model.safetensors")
    tensors = load_file(path)
    tensors[tensor].view(-1)[0] += 0.01
    save_file(tensors, path)
    assert load(folder).spec.fingerprint != first


def test_the_fingerprint_does_not_go_with_the_folder(folder: Path, trained: Path) -> None:
    assert load(folder).spec.fingerprint == load(trained).spec.fingerprint


def test_both_towers_come_from_the_hub_once(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(mclip._TEACHERS, "tiny", "hf-hub:tiny/image")
    options = EncoderOptions("cpu", "fp32", tmp_path / "cache")
    with serving_hub(monkeypatch) as hub:
        hub.put("M-CLIP/tiny", trained / "text")
        hub.put("tiny/image", trained / "image")
        hub.files["tiny/base/config.json"] = hub.files.pop("M-CLIP/tiny/base_config.json")
        encoder = load_encoder("mclip:tiny", options)
    assert worst_cosine(encode_texts(encoder, TEXTS), encode_texts(load(trained), TEXTS)) > 0.99999
    assert encoder.spec.fingerprint == load(trained).spec.fingerprint
    offline = load_encoder("mclip:tiny", replace(options, offline=True))
    assert offline.spec == encoder.spec


def test_a_name_that_is_none_says_which_there_are() -> None:
    with pytest.raises(UnknownModel, match="XLM-Roberta-Large-Vit-B-16Plus"):
        load_encoder("mclip:XLM", FP32)


def test_a_tower_is_not_loaded_without_its_upper_layers(folder: Path) -> None:
    path = folder / "text/base_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 1}))
    with pytest.raises(ModelUnavailable, match=r"no place in the model, transformer\.encoder"):
        load(folder)


@pytest.mark.parametrize("name", ["text/config.json", "text/base_config.json"])
def test_a_configuration_that_names_code_is_refused(folder: Path, name: str) -> None:
    config = json.loads((folder / name).read_text()) | {"auto_map": {"AutoModel": "vocab.Run"}}
    (folder / name).write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match=rf"{Path(name).name}.*auto_map"):
        load(folder)


@pytest.mark.parametrize(
    ("part", "setting"),
    [("preprocess_cfg", {"resize_mode": "squash"}), ("model_cfg", {"quick_gelu": True})],
)
def test_other_settings_of_the_image_tower_are_another_fingerprint(
    folder: Path, trained: Path, part: str, setting: dict[str, object]
) -> None:
    path = folder / "image/open_clip_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {part: config[part] | setting}))
    assert load(folder).spec.fingerprint != load(trained).spec.fingerprint


def test_the_scale_of_probabilities_is_the_teachers(folder: Path) -> None:
    """The text tower was taught to lie where the teacher's does."""
    file = folder / "image" / "open_clip_model.safetensors"
    save_file(load_file(file) | {"logit_scale": torch.tensor(3.5)}, file)
    assert load(folder).spec.logit_scale == pytest.approx(np.exp(3.5), rel=1e-6)
