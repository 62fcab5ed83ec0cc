"""What whoever loads an encoder may choose."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EncoderOptions:
    device: str = "auto"
    """`auto` (an accelerator if there is one), `cpu`, `cuda`, `cuda:1` …"""
    precision: str = "auto"
    """`auto`, `fp32`, `bf16`, `fp16`; see `models.towers.precision`."""
    cache_dir: Path | None = None
    """Where downloaded weights are kept; None: where the hub's library keeps them."""
    prompt_templates: str = "auto"
    """`auto` (as the model's card says), `on`, `off`; see `models.templates`."""
    offline: bool = False
    """Never reach for the network: what is not in the cache is not there."""
