"""`mclip:…`: a multilingual text tower that was taught to place texts as an English CLIP does.

mclip:XLM-Roberta-Large-Vit-B-16Plus   and the others of `_TEACHERS`, from the hub
mclip:local-dir:/path                  a folder with
    text/    the layout of M-CLIP's repositories: config.json, the weights, tokenizer.json,
             and base_config.json: the config.json of the transformer that it is based on
    image/   open_clip's local-dir layout: open_clip_config.json and the weights

Carlsson et al., Cross-lingual and Multilingual CLIP, LREC 2022. The embedding is the mean over
a text's tokens, through one linear layer; pictures go through the teacher's image tower.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.initialization import no_init_weights

from models.config import EncoderOptions
from models.encoders import open_clip, open_clip_source
from models.encoders.assembly import Parts, assemble
from models.encoders.hf_text import (
    TOKENIZER_FILE,
    FolderTokenizer,
    longest_text,
    padding_mask,
)
from models.encoders.open_clip_source import Source
from models.errors import ModelUnavailable, UnknownModel
from models.towers.torch_encoder import TextTower, TorchEncoder
from models.weights.checkpoint import load_all, read_checkpoint
from models.weights.configs import read_config
from models.weights.files import TRANSFORMERS_WEIGHTS, Wanted, fetch, weights_in

_TEACHERS = {
    "XLM-Roberta-Large-Vit-B-16Plus": "ViT-B-16-plus-240/laion400m_e32",
    "XLM-Roberta-Large-Vit-L-14": "ViT-L-14/openai",
    "XLM-Roberta-Large-Vit-B-32": "ViT-B-32/openai",
    "LABSE-Vit-L-14": "ViT-L-14/openai",
}
"""Whose image tower each text tower was taught to meet, as its model card says."""

_CONFIG = "config.json"
_FILES = Wanted((_CONFIG, TOKENIZER_FILE), TRANSFORMERS_WEIGHTS)


@dataclass(frozen=True)
class Origins:
    """Where the two towers come from."""

    text: Path
    """The folder with M-CLIP's files."""
    base_config: Path
    image: Source

    @property
    def files(self) -> dict[str, Path]:
        """What the vectors depend on, by role."""
        return {
            "text weights": weights_in(self.text, TRANSFORMERS_WEIGHTS),
            "text base config": self.base_config,
            "text tokenizer": self.text / TOKENIZER_FILE,
            **{f"image {role}": path for role, path in self.image.files.items()},
        }


class MclipText(TextTower):
    """The attributes are named as in M-CLIP's checkpoints."""

    def __init__(self, base: Any, dim: int) -> None:
        super().__init__()
        self.pad_id = base.pad_token_id
        self.transformer = AutoModel.from_config(
            base, add_pooling_layer=False, trust_remote_code=False
        )
        self.LinearTransformation = nn.Linear(base.hidden_size, dim)

    def forward(self, ids: Tensor) -> Tensor:
        linear = self.LinearTransformation
        mask = padding_mask(ids, self.pad_id, linear.weight.dtype)
        hidden = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        read = (ids != self.pad_id).unsqueeze(2)
        # The sum in float32: in bfloat16 it would keep 8 bits of a hundred tokens.
        mean = (hidden.float() * read).sum(1) / read.sum(1)
        embeddings: Tensor = linear(mean.to(linear.weight.dtype))
        return embeddings


def load(name: str, options: EncoderOptions) -> TorchEncoder:
    """Raises UnknownModel for a name that is none, ModelUnavailable where something of the
    model is missing, damaged or incomplete, or the device is not there.
    """
    return assemble(f"mclip:{name}", lambda: _parts(_origins(name, options)), options)


def build_text(origins: Origins) -> MclipText:
    """The text tower in fp32 on the CPU, every tensor of it read. Raises ModelUnavailable."""
    weights = weights_in(origins.text, TRANSFORMERS_WEIGHTS)
    path = origins.text / _CONFIG
    try:
        dim = int(read_config(path)["numDims"])
        base = dict(read_config(origins.base_config))
        with no_init_weights():
            tower = MclipText(AutoConfig.for_model(base.pop("model_type"), **base), dim)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelUnavailable(
            f"{path} and {origins.base_config} describe no text tower: {error!r}"
        ) from error
    load_all(tower, read_checkpoint(weights), weights)
    return tower


def _parts(origins: Origins) -> Parts:
    text = build_text(origins)
    teacher: Any = open_clip.build(origins.image)
    longest = longest_text(text.transformer.config)
    return Parts(
        text=text,
        image=teacher.visual,
        tokenizer=FolderTokenizer(origins.text, longest),
        transform=open_clip.transform_of(teacher, origins.image.preprocessing),
        longest=longest,
        trims=True,
        logit_scale=open_clip.logit_scale_of(teacher),
        files=origins.files,
        settings=origins.image.settings,
    )


def _origins(name: str, options: EncoderOptions) -> Origins:
    scheme, _, rest = name.partition(":")
    if scheme == "local-dir":
        folder = Path(rest).expanduser()
        image = open_clip_source.find(f"local-dir:{folder / 'image'}", options)
        return Origins(folder / "text", folder / "text" / "base_config.json", image)
    if name not in _TEACHERS:
        raise UnknownModel(
            f"unknown model 'mclip:{name}'; known are {', '.join(sorted(_TEACHERS))} "
            "and local-dir:/path"
        )
    text = fetch(f"M-CLIP/{name}", _FILES, options)
    base = read_config(text / _CONFIG).get("modelBase", "")
    base_config = fetch(base, Wanted((_CONFIG,)), options) / _CONFIG
    return Origins(text, base_config, open_clip_source.find(_TEACHERS[name], options))
