"""The towers as this project runs them, against open_clip as it comes.

python -m bench.encoder [--device cpu|cuda] [--models ViT-B-32 …] [--rounds 10]

Method: models of true size with random weights. Texts are random ids: a query of 6 tokens
and batches of 6 to 12, special tokens included. The peer, in the same process, is open_clip's
`encode_text` in fp32 on texts padded to the context length. For pictures it is open_clip's
preprocessing and `encode_image`, on photographs of 640 × 480. All take turns in every round;
reported are the median, its ratio to the peer, and the lowest cosine to the peer's vectors.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import open_clip
import skimage.data
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from rich.console import Console
from rich.table import Table
from transformers import XLMRobertaConfig

from models.config import EncoderOptions
from models.encoders.open_clip import ImageTower, architecture, transform_of
from models.towers.precision import placement
from models.towers.text_trim import text_lengths, text_tower
from models.towers.torch_encoder import TorchEncoder
from models.types import Embeddings, EncoderSpec, Tokens

MODELS = ("ViT-B-32", "ViT-B-16-SigLIP2", "xlm-roberta-base-ViT-B-32")

Candidates = dict[str, Callable[[], Embeddings]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto", help="cpu or cuda")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    for name in arguments.models:
        Bench(name, arguments.device, arguments.rounds).run()


class Bench:
    def __init__(self, name: str, device: str, rounds: int) -> None:
        self._name, self._rounds = name, rounds
        self._on = placement(EncoderOptions(device=device, precision="fp32"))
        config = open_clip.get_model_config(name)
        self._model = self._on.put(random_model(config))
        self._pad = 1 if "hf_model_name" in config["text_cfg"] else 0
        self._context: int = config["text_cfg"].get("context_length", 77)
        self._ours = {
            f"ours {precision}": self._encoder(EncoderOptions(device, precision))
            for precision in ("fp32", "bf16")
        }

    def run(self) -> None:
        cpu = self._on.on_cpu
        chip = cpu_name() if cpu else torch.cuda.get_device_name(self._on.device)
        columns = ("work", "who", "median ms", "×peer", "lowest cosine")
        table = Table(*columns, title=f"{self._name}, {chip}")
        texts, pictures = ((1, 32), (1, 8)) if cpu else ((1, 32, 256), (1, 64))
        for encoder in self._ours.values():
            encoder.warm_up(max(texts), 8192)
        for size in texts:
            self._report(table, "texts", size, self._text_candidates(size))
        for size in pictures:
            self._report(table, "pictures", size, self._image_candidates(size))
        Console(width=100).print(table)

    def _encoder(self, options: EncoderOptions) -> TorchEncoder:
        model = deepcopy(self._model)
        tower, trims = text_tower(model, self._pad)
        transform = transform_of(model, {})
        lengths = text_lengths(self._context, trims=trims)
        dim = self._model.encode_image(
            torch.zeros(1, 3, *[transform.size] * 2, device=self._on.device)
        ).shape[1]
        spec = EncoderSpec(self._name, dim, transform.size, "", "", (), lengths)
        return TorchEncoder(spec, tower, ImageTower(model), no_texts, transform, placement(options))

    def _text_candidates(self, size: int) -> Candidates:
        random = np.random.default_rng(0)
        tokens = [
            random_text(random, 6 if size == 1 else int(random.integers(6, 13)))
            for _ in range(size)
        ]
        padded = np.full((size, self._context), self._pad)
        for row, text in zip(padded, tokens, strict=True):
            row[: len(text)] = text
        ids = torch.from_numpy(padded)

        def peer() -> Embeddings:
            return unit(self._model.encode_text(ids.to(self._on.device)))

        ours = {
            name: partial(encoder.encode_tokens, tokens) for name, encoder in self._ours.items()
        }
        return {"open_clip fp32, padded": peer} | ours

    def _image_candidates(self, size: int) -> Candidates:
        images = photographs(size)
        transform = image_transform_v2(
            PreprocessCfg(size=self._model.visual.image_size), is_train=False
        )

        def peer() -> Embeddings:
            batch = torch.stack([transform(image) for image in images])
            return unit(self._model.encode_image(batch.to(self._on.device)))

        def ours(encoder: TorchEncoder) -> Embeddings:
            return encoder.encode_pixels([encoder.to_pixels(image) for image in images])

        return {"open_clip fp32": peer} | {
            name: partial(ours, encoder) for name, encoder in self._ours.items()
        }

    def _report(self, table: Table, work: str, size: int, candidates: Candidates) -> None:
        with torch.inference_mode():
            vectors = {name: run() for name, run in candidates.items()}
            seconds = in_turns(candidates, self._rounds)
        peer = next(iter(candidates))
        for name, median in seconds.items():
            cosine = (vectors[name] * vectors[peer]).sum(axis=1).min()
            ratio = seconds[peer] / median
            table.add_row(
                f"{size} {work}", name, f"{median * 1e3:.1f}", f"{ratio:.1f}", f"{cosine:.5f}"
            )


def in_turns(candidates: Candidates, rounds: int) -> dict[str, float]:
    """Median seconds of each; whatever else the machine does falls on all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def random_model(config: dict[str, Any]) -> Any:
    """Fresh towers say much the same of every input: some noise, that cosines mean something."""
    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        hub = "hf_model_name" in config["text_cfg"]
        if hub:
            XLMRobertaConfig(vocab_size=250_002, max_position_embeddings=514).save_pretrained(
                folder
            )
        model = architecture(config, Path(folder) if hub else None)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.01 * torch.randn_like(weights))
    return model


def random_text(random: np.random.Generator, length: int) -> Tokens:
    """Ids between those of CLIP's two special tokens, in whichever vocabulary."""
    return np.array([49406, *random.integers(1_000, 49_000, length - 2), 49407], np.int32)


def no_texts(texts: Sequence[str]) -> list[Tokens]:
    return [np.array([49406, 49407], np.int32) for _ in texts]


def photographs(count: int) -> list[Image.Image]:
    names = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
    folder = Path(skimage.data.__file__).parent
    opened = [Image.open(folder / name).convert("RGB").resize((640, 480)) for name in names]
    return [opened[i % len(opened)] for i in range(count)]


def unit(rows: torch.Tensor) -> Embeddings:
    embeddings: Embeddings = torch.nn.functional.normalize(rows.float(), dim=-1).cpu().numpy()
    return embeddings


def cpu_name() -> str:
    threads = torch.get_num_threads()
    return f"{torch.cpu.get_capabilities().get('cpu_name', 'CPU')}, {threads} threads"


if __name__ == "__main__":
    main()
