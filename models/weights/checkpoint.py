"""Files of tensors. Nothing in them is ever executed, and none may be missing from them."""

import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.errors import ModelUnavailable

_SPARE = re.compile(r"position_ids$|token_type_ids$|(^|\.)(pooler|lm_head)\.|logit_(scale|bias)$")
"""Tensors that may be left over: counted positions, heads that no embedding goes through, the
temperature and bias of the training loss."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or a PyTorch checkpoint, on the CPU.

    Raises ModelUnavailable for a file that is cut short, or holds more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _require_no_program(path)
        return _tensors(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise ModelUnavailable(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        raise ModelUnavailable(
            f"{path} is damaged, or holds more than tensors, which is not loaded; "
            "convert it to safetensors if you trust it"
        ) from error
    except (SafetensorError, BadZipFile, RuntimeError, EOFError, TypeError, ValueError) as error:
        size = path.stat().st_size
        raise ModelUnavailable(
            f"{path} is damaged or cut short ({size:,} bytes): delete it and load it again"
        ) from error


def load_all(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Fill `module` with all of `tensors`, and all of it. Raises ModelUnavailable."""
    try:
        report = module.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise ModelUnavailable(f"{path} is not of this architecture: {detail}") from error
    require_all(report.missing_keys, report.unexpected_keys, path)


def require_all(missing: Iterable[str], unexpected: Iterable[str], path: Path) -> None:
    """Raises ModelUnavailable for a model that was loaded in part: where the module would keep
    something of its random start, or `path` holds what the module has no place for.
    """
    if lacking := sorted(missing):
        raise ModelUnavailable(
            f"{path} lacks {len(lacking)} of the model's tensors, {lacking[0]} among them"
        )
    if foreign := sorted(name for name in unexpected if not _SPARE.search(name)):
        raise ModelUnavailable(
            f"{path} is not of this architecture: {len(foreign)} of its tensors have no place in "
            f"the model, {foreign[0]} among them"
        )


def _require_no_program(path: Path) -> None:
    if not is_zipfile(path):
        return
    with ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise ModelUnavailable(
                f"{path} is a TorchScript program, which is not run: save its state_dict() as "
                "safetensors, and load that"
            )


def _tensors(checkpoint: object) -> dict[str, Tensor]:
    """A training checkpoint wraps its tensors; one trained on several devices prefixes them."""
    if isinstance(checkpoint, Mapping) and "state_dict" in checkpoint:
        checkpoint = checkpoint["state_dict"]
    if not isinstance(checkpoint, Mapping):
        raise TypeError(type(checkpoint).__name__)
    named = {str(name).removeprefix("module."): value for name, value in checkpoint.items()}
    return {name: value for name, value in named.items() if isinstance(value, Tensor)}
