"""`starter`: the encoder that works from a bare checkout, on a CPU, with no model hub.

Two small networks that never saw each other, a sentence encoder for Korean and English
and an ImageNet classifier, are joined by a vocabulary of what the classes are called;
`space` says how. docs/decisions/0002-starter-encoder.md has the numbers.
"""

from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from models.config import EncoderOptions
from models.encoders.starter import pixels as starter_pixels
from models.encoders.starter import space as starter_space
from models.encoders.starter import text as starter_text
from models.encoders.starter.data import AXES_FILES, PHRASE_FILES, load_phrases, load_space
from models.encoders.starter.one_thread import OneThread
from models.encoders.starter.space import CLASS_DIM, LOOK_DIM, Space
from models.encoders.starter.spelling import GLOSS_FILE, PARTICLES
from models.encoders.starter.text import TEXT_LENGTHS, SentenceEncoder, TextTower, legible
from models.encoders.starter.vocabulary import CLASS_FILE, GROUP_FILE, read_vocabulary
from models.errors import ModelUnavailable, UnknownModel
from models.types import Embeddings, EncoderSpec, Pixels, Tokens, ToPixels

if TYPE_CHECKING:
    from models.encoders.starter.image import ImageTower

LOGIT_SCALE = 16.0  # measured, docs/decisions/0015-prompt-templates.md; enters no vector
FORMAT = 1  # raise it when the code changes what a vector means


class StarterEncoder:
    """See `models.types.LoadedEncoder`.

    The image tower is loaded by the first picture: a server of text queries never needs
    PyTorch, which takes seconds to import and most of a gigabyte. It raises ModelUnavailable
    where the weights are damaged.
    """

    def __init__(self, text: TextTower, space: Space) -> None:
        self._text = text
        self._space = space
        self._one_thread = OneThread()
        self._image: ImageTower | None = None
        self._image_loading = Lock()
        self._spec = EncoderSpec(
            id="starter",
            dim=CLASS_DIM + LOOK_DIM,
            image_size=starter_pixels.SIZE,
            fingerprint=_fingerprint(),
            licence="Apache-2.0",
            languages=("ko", "en"),
            text_lengths=TEXT_LENGTHS,
            logit_scale=LOGIT_SCALE,
        )

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """The tower reads characters: the tokens are code points."""
        return [np.frombuffer(legible(text).encode("utf-32-le"), np.int32) for text in texts]

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        if not batch:
            return self._none()
        texts = [tokens.tobytes().decode("utf-32-le") for tokens in batch]
        with self._one_thread():
            return self._space.place_texts(self._text.distributions(texts))

    def to_pixels(self, image: Image.Image) -> Pixels:
        self._image_tower()  # PyTorch is loaded here: in a forward pass texts would wait for it
        return starter_pixels.to_pixels(image)

    @property
    def portable_pixels(self) -> ToPixels:
        return starter_pixels.to_pixels

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        if not batch:
            return self._none()
        return self._space.place_images(self._image_tower().logits(batch))

    def warm_up(self, max_texts: int, max_tokens: int) -> None:  # noqa: ARG002 - nothing of size
        self.encode_tokens(self.tokenize(["ready"]))

    def _image_tower(self) -> "ImageTower":
        with self._image_loading:
            if self._image is None:
                from models.encoders.starter.image import ImageTower  # noqa: PLC0415 - see above

                self._image = ImageTower()
            return self._image

    def _none(self) -> Embeddings:
        return np.empty((0, self._spec.dim), np.float32)


def load(name: str, _: EncoderOptions) -> StarterEncoder:
    """Raises UnknownModel for any name, ModelUnavailable without the two weight packages."""
    if name:
        raise UnknownModel(f"the starter has no variant {name!r}; its spec is plain 'starter'")
    vocabulary = read_vocabulary()
    phrases, space = load_phrases(vocabulary), load_space(vocabulary)
    try:
        _require("timm", "torch")
        return StarterEncoder(TextTower(SentenceEncoder(), vocabulary, phrases), space)
    except ImportError as missing:
        raise ModelUnavailable(
            f"the starter needs the package that provides {missing.name!r}: install the "
            "project again with its dependencies"
        ) from missing


def _require(*packages: str) -> None:
    """Raises ModuleNotFoundError now for what is imported only later."""
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(name=package)


def _fingerprint() -> str:
    """Over all that decides a vector: weights, data files, constants and FORMAT."""
    digest = sha256(repr((FORMAT, _constants())).encode())
    for path in _files():
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _constants() -> tuple[object, ...]:
    image = (starter_pixels.SIZE, starter_pixels.MEAN, starter_pixels.STD)
    space = (CLASS_DIM, LOOK_DIM, starter_space.IMAGE_SHARPNESS)
    text = (
        starter_text.SHARPNESS,
        starter_text.WORD_SHARE,
        starter_text.WORD_FOCUS,
        sorted(starter_text.KIND_MARGIN.items()),
        starter_text.MAX_CHARS,
        starter_text.MAX_WORDS,
        sorted(starter_text.NOISE),
        sorted(PARTICLES),
    )
    return image, space, text


def _files() -> list[Path]:
    return [
        *SentenceEncoder.weight_files(),
        starter_pixels.weight_file(),
        *PHRASE_FILES.values(),
        *AXES_FILES.values(),
        CLASS_FILE,
        GROUP_FILE,
        GLOSS_FILE,
    ]
