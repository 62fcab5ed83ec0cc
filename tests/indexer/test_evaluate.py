"""A wrong score would let a worse model pass for a better one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.evaluate import EvaluationError, Quality, evaluate, score
from models.types import Embeddings, EncoderSpec, Pixels, Tokens

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
KOREAN = {"빨강": "red", "초록": "green", "파랑": "blue"}


class ColourEncoder:
    """Reads the colour of a picture, and English colour words; in Korean it sees only red."""

    spec = EncoderSpec("colour", 3, 1, "test", "Apache-2.0", ("ko", "en"), (16,))

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return [np.array([ord(character) for character in text], np.int32) for text in texts]

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        texts = ["".join(map(chr, tokens)) for tokens in batch]
        names = ["red" if text in KOREAN else text for text in texts]
        return np.array([COLOURS[name] for name in names], np.float32) / 255

    def to_pixels(self, image: Image.Image) -> Pixels:
        return np.asarray(image.resize((1, 1)))

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        return np.stack(batch).reshape(-1, 3).astype(np.float32) / 255

    def warm_up(self, max_texts: int, max_tokens: int) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in ("shop", "elsewhere"):
        (tmp_path / place).mkdir()
        for name, colour in COLOURS.items():
            Image.new("RGB", (8, 8), colour).save(tmp_path / place / f"{name}.png")
    rows = [f"{ko}\t{en}\tshop/{en}.png" for ko, en in KOREAN.items()]
    lines = ["query_ko\tquery_en\trelevant", *rows]
    (tmp_path / "shop.queries.tsv").write_text("\n".join(lines), "utf-8")
    return tmp_path


def test_each_language_is_scored_over_the_pictures_of_its_own_folder(folder: Path) -> None:
    (result,) = evaluate(ColourEncoder(), folder)
    assert (result.name, result.pictures, result.queries) == ("shop", 3, 3)
    assert result.quality["en"] == Quality(1.0, 1.0, 1.0)
    assert result.quality["ko"].r_precision == pytest.approx(1 / 3)


def test_the_measures_are_those_of_the_textbook() -> None:
    similarities = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]])
    relevant = np.array([[1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1]], bool)
    quality = score(similarities.astype(np.float32), relevant)
    assert quality.mean_average_precision == pytest.approx(((1 + 2 / 3) / 2 + 1 / 6) / 2)
    assert quality.r_precision == pytest.approx(1 / 4)
    assert quality.hit_at_5 == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("query_ko\tquery_en\n", "no column relevant"),
        ("query_ko\tquery_en\trelevant\n", "no queries"),
        ("query_ko\tquery_en\trelevant\n빨강\tred\t\n", "nothing is relevant"),
        ("query_ko\tquery_en\trelevant\n빨강\tred\tshop/gone.png\n", "gone.png"),
    ],
)
def test_a_badly_labelled_folder_is_refused(folder: Path, table: str, complaint: str) -> None:
    (folder / "shop.queries.tsv").write_text(table, "utf-8")
    with pytest.raises(EvaluationError, match=complaint):
        evaluate(ColourEncoder(), folder)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"queries\.tsv"):
        evaluate(ColourEncoder(), tmp_path)


def test_a_broken_picture_is_named(folder: Path) -> None:
    (folder / "shop" / "red.png").write_bytes(b"not a picture")
    with pytest.raises(EvaluationError, match=r"red\.png"):
        evaluate(ColourEncoder(), folder)
