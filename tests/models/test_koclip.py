"""KoCLIP must say what transformers says: a vector that is off finds the wrong picture."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoTokenizer, VisionTextDualEncoderModel

from models.config import EncoderOptions
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
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module", params=[hf_towers.koclip, hf_towers.koclip_vit])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make: Callable[[Path], None] = request.param
    folder = tmp_path_factory.mktemp("koclip")
    make(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One to damage."""
    folder = tmp_path / "한국어 모형"
    folder.mkdir()
    hf_towers.koclip(folder)
    return folder


def load(folder: Path, options: EncoderOptions = FP32) -> Encoder:
    return load_encoder(f"koclip:local-dir:{folder}", options)


def pictures() -> list[Image.Image]:
    names = ("astronaut.png", "coffee.png", "rocket.jpg", "chelsea.png")
    return [Image.open(PHOTOS / name).convert("RGB") for name in names]


class Stock:
    """The peer: transformers' own model, tokenizer and preprocessing, padded."""

    def __init__(self, folder: Path) -> None:
        self._model = VisionTextDualEncoderModel.from_pretrained(folder).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._processor = AutoImageProcessor.from_pretrained(folder, backend="pil")

    @torch.inference_mode()
    def texts(self, texts: tuple[str, ...]) -> Embeddings:
        settings = {"padding": "max_length", "truncation": True, "max_length": LONGEST}
        read = self._tokenizer(list(texts), return_tensors="pt", **settings)
        ids, mask = read["input_ids"], read["attention_mask"]
        return unit(self._model.get_text_features(ids, mask).pooler_output)

    @torch.inference_mode()
    def images(self, images: list[Image.Image]) -> Embeddings:
        pixels = self._processor(images, return_tensors="pt")["pixel_values"]
        return unit(self._model.get_image_features(pixels).pooler_output)


def unit(rows: torch.Tensor) -> Embeddings:
    normalised: Embeddings = torch.nn.functional.normalize(rows, dim=-1).numpy()
    return normalised


def worst_cosine(ours: Embeddings, stock: Embeddings) -> float:
    return float((ours * stock).sum(axis=1).min())


@pytest.mark.parametrize(("options", "floor"), [(FP32, 0.9999), (BF16, 0.999)])
def test_texts_and_pictures_lie_where_transformers_puts_them(
    trained: Path, options: EncoderOptions, floor: float
) -> None:
    encoder, stock = load(trained, options), Stock(trained)

    texts = stock.texts(TEXTS)
    assert worst_cosine(encode_texts(encoder, TEXTS), texts) > floor
    assert worst_cosine(texts[:1], texts[1:2]) < 0.99  # or the line above says little

    images = stock.images(pictures())
    assert worst_cosine(encode_images(encoder, pictures()), images) > floor
    assert worst_cosine(images[:1], images[1:2]) < 0.99


def test_a_short_text_means_the_same_beside_a_long_one(trained: Path) -> None:
    encoder = load(trained)
    tokens = encoder.tokenize(TEXTS)
    alone = np.concatenate([encoder.encode_tokens([one]) for one in tokens])
    assert worst_cosine(alone, encoder.encode_tokens(tokens)) > 0.9999


def test_a_text_with_nothing_to_read_is_refused(trained: Path) -> None:
    with pytest.raises(InvalidInput):
        load(trained).tokenize(["고양이", " \n"])


def test_weights_saved_by_earlier_transformers_load_the_same(folder: Path) -> None:
    now = encode_images(load(folder), pictures())
    tensors = load_file(folder / WEIGHTS)
    earlier = {
        name.replace("vision_model.", "vision_model.vision_model."): value
        for name, value in tensors.items()
    }
    (folder / WEIGHTS).unlink()
    earlier["text_model.embeddings.position_ids"] = torch.arange(140)[None]
    torch.save(earlier, folder / "pytorch_model.bin")
    config = json.loads((folder / "config.json").read_text())
    config |= {"_commit_hash": "9ebb41d6", "seed": 42, "torch_dtype": "float32"}
    config["text_config"] |= {"architectures": ["RobertaForMaskedLM"], "bad_words_ids": None}
    config["vision_config"] |= {"dropout": 0.0, "max_length": 20, "num_beams": 1}
    (folder / "config.json").write_text(json.dumps(config))
    assert worst_cosine(encode_images(load(folder), pictures()), now) > 0.99999


def test_a_tower_of_few_positions_is_not_given_more(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 40
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / WEIGHTS)
    name = "text_model.embeddings.position_embeddings.weight"
    tensors[name] = tensors[name][:40].clone()
    save_file(tensors, folder / WEIGHTS)
    encoder = load(folder)
    assert encoder.spec.text_lengths[-1] == 38  # RoBERTa counts from behind the padding's id
    assert encode_texts(encoder, ["별 " * 100]).shape == (1, 40)


def test_no_tensor_is_left_at_random(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["visual_projection.weight"]
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(ModelUnavailable, match=r"lacks 1 .* visual_projection\.weight"):
        load(folder)


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["projection_dim"] = 41
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="does not fit") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
def test_a_file_cut_short_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailable, match=name.replace(".", r"\.")):
        load(folder)


@pytest.mark.parametrize(
    "name", [WEIGHTS, "config.json", "tokenizer.json", "preprocessor_config.json"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelUnavailable, match=name.replace(".", r"\.")):
        load(folder)


def test_a_checkpoint_with_code_in_it_is_not_run(folder: Path, tmp_path: Path) -> None:
    (folder / WEIGHTS).unlink()
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump(_Touch(tmp_path / "ran"), file, protocol=2)  # as torch.save does
    with pytest.raises(ModelUnavailable, match="more than tensors"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_the_fingerprint_goes_with_the_weights_not_the_folder(folder: Path, tmp_path: Path) -> None:
    first = load(folder).spec.fingerprint
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert load(copy).spec.fingerprint == first
    tensors = load_file(copy / WEIGHTS)
    tensors["text_projection.weight"][0, 0] += 0.01
    save_file(tensors, copy / WEIGHTS)
    assert load(copy).spec.fingerprint != first


def test_the_published_model_comes_from_the_hub_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = EncoderOptions("cpu", "fp32", tmp_path / "cache")
    with serving_hub(monkeypatch) as hub:
        hub.put("koclip/koclip-base-pt", folder)
        encoder = load_encoder("koclip:base", options)
    assert encoder.spec.fingerprint == load(folder).spec.fingerprint
    assert encoder.spec.licence == "OpenRAIL"
    offline = load_encoder("koclip:base", replace(options, offline=True))
    assert np.array_equal(encode_texts(offline, TEXTS), encode_texts(encoder, TEXTS))


def test_a_name_that_is_none_says_which_there_are() -> None:
    with pytest.raises(UnknownModel, match="base"):
        load_encoder("koclip:large", FP32)


class _Touch:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self._path,)


def edited(folder: Path, name: str, **values: object) -> Path:
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(config | values))
    return folder


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_a_configuration_that_names_code_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ModelUnavailable, match=rf"{name}.*auto_map"):
        load(edited(folder, name, auto_map={"AutoModel": "vocab.Run"}))


def test_code_is_not_named_in_a_nested_configuration_either(folder: Path) -> None:
    text = json.loads((folder / "config.json").read_text())["text_config"]
    with pytest.raises(ModelUnavailable, match="auto_map"):
        load(edited(folder, "config.json", text_config=text | {"auto_map": {}}))


def test_a_tower_is_not_loaded_without_its_upper_layers(folder: Path) -> None:
    text = json.loads((folder / "config.json").read_text())["text_config"]
    with pytest.raises(ModelUnavailable, match=r"no place in the model, text_model\.encoder"):
        load(edited(folder, "config.json", text_config=text | {"num_hidden_layers": 1}))


@pytest.mark.parametrize(
    "asked",
    [
        {"do_center_crop": False},
        {"do_resize": False},
        {"do_rescale": False},
        {"rescale_factor": 1 / 127.5},
        {"resample": 1},
        {"size": {"longest_edge": 32}},
    ],
)
def test_preprocessing_that_is_not_done_here_is_refused(
    folder: Path, asked: dict[str, object]
) -> None:
    with pytest.raises(ModelUnavailable, match="not supported"):
        load(edited(folder, "preprocessor_config.json", **asked))


def test_the_fingerprint_goes_with_the_tokenizer_and_not_with_the_version(folder: Path) -> None:
    first = load(folder).spec.fingerprint
    edited(folder, "config.json", transformers_version="4.1", _name_or_path="klue")
    assert load(folder).spec.fingerprint == first
    path = folder / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    assert load(folder).spec.fingerprint != first


def test_the_scale_of_probabilities_is_the_trained_one(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file(tensors | {"logit_scale": torch.tensor(3.5)}, folder / WEIGHTS, {"format": "pt"})
    assert load(folder).spec.logit_scale == pytest.approx(np.exp(3.5), rel=1e-6)
