"""A setting that cannot be met has to say so before a server starts on it."""

import pytest
import torch
from torch import nn

from models.config import EncoderOptions
from models.errors import ModelUnavailable
from models.towers.precision import placement


def pretend(monkeypatch: pytest.MonkeyPatch, *, cards: int, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_a_card_is_used_in_the_precision_it_was_built_for(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    pretend(monkeypatch, cards=1, capability=capability)
    chosen = placement(EncoderOptions())
    assert (chosen.device.type, chosen.dtype) == ("cuda", dtype)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_a_processor_runs_bf16_only_where_it_is_fast(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool], dtype: torch.dtype
) -> None:
    pretend(monkeypatch, cards=0, capability=(0, 0))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    chosen = placement(EncoderOptions())
    assert (chosen.device.type, chosen.dtype) == ("cpu", dtype)


def test_what_the_settings_say_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cards=2, capability=(9, 0))
    chosen = placement(EncoderOptions(device="cuda:1", precision="fp32"))
    assert (chosen.device, chosen.dtype) == (torch.device("cuda:1"), torch.float32)
    assert placement(EncoderOptions(device="cpu", precision="bf16")).on_cpu


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (EncoderOptions(device="cuda"), "'cuda' is not here: PyTorch sees 0"),
        (EncoderOptions(device="cuda:3"), "'cuda:3' is not here"),
        (EncoderOptions(device="tpu"), "'tpu' is no device"),
        (EncoderOptions(device="meta"), "'meta' is not supported"),
        (EncoderOptions(device="cpu", precision="fp16"), "fp16 is for CUDA devices"),
        (EncoderOptions(device="cpu", precision="int8"), "'int8' is unknown"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, options: EncoderOptions, said: str
) -> None:
    pretend(monkeypatch, cards=0, capability=(0, 0))
    with pytest.raises(ModelUnavailable, match=said) as raised:
        placement(options)
    assert "\n" not in str(raised.value)


def test_weights_are_cast_once_and_ready_for_inference() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.LayerNorm(4))
    cast = placement(EncoderOptions(device="cpu", precision="bf16")).put(module)
    assert {weights.dtype for weights in cast.parameters()} == {torch.bfloat16}
    assert not cast.training
