"""What may go wrong on a device must reach the caller as what it is, and never as a vector."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from models.errors import DeviceLost, EncodingFailed, InvalidInput, OutOfMemory
from models.towers.cuda_graphs import same_directions
from models.towers.pixels import PixelTransform
from models.towers.precision import Placement
from models.towers.torch_encoder import TextTower, TorchEncoder
from models.types import EncoderSpec, Tokens

PAD = 9
LENGTHS = (4, 8)


class CountingTower(TextTower):
    """Tells what it was given: how often each id occurs."""

    pad_id = PAD

    def forward(self, ids: Tensor) -> Tensor:
        return nn.functional.one_hot(ids, 128).sum(dim=1).float()


class FailingTower(TextTower):
    """Gives or raises what the test says."""

    pad_id = PAD

    def __init__(self, outcome: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._outcome = outcome

    def forward(self, ids: Tensor) -> Tensor:
        return self._outcome(ids)


class ImageTower(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.pad(pixels.mean(dim=(2, 3)), (0, 125))


def letters(texts: Sequence[str]) -> list[Tokens]:
    """A tokenizer that knows ASCII letters, between 1 and 2."""
    return [
        np.array(
            [1, *(ord(one) for one in text[:6] if one.isascii() and one.isalpha()), 2], np.int32
        )
        for text in texts
    ]


def encoder(
    text_tower: TextTower | None = None, device: str = "cpu", image_tower: nn.Module | None = None
) -> TorchEncoder:
    return TorchEncoder(
        EncoderSpec("test", 128, 4, "", "", (), LENGTHS),
        text_tower or CountingTower(),
        image_tower or ImageTower(),
        letters,
        PixelTransform(4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        Placement(torch.device(device), torch.float32),
    )


def raising(error: Exception) -> TextTower:
    def outcome(_: Tensor) -> Tensor:
        raise error

    return FailingTower(outcome)


@pytest.mark.parametrize(("text", "padding"), [("ab", 0), ("abc", 3), ("abcdef", 0)])
def test_a_text_is_padded_to_the_next_length_and_no_further(text: str, padding: int) -> None:
    tower = encoder()
    (vector,) = tower.encode_tokens(tower.tokenize([text]))
    counts = vector / vector[1]
    assert round(float(counts[PAD])) == padding


def test_a_batch_is_padded_to_its_longest() -> None:
    tower = encoder()
    vectors = tower.encode_tokens(tower.tokenize(["a", "abcdef"]))
    assert round(float(vectors[0, PAD] / vectors[0, 1])) == 5
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    assert vectors.dtype == np.float32


def test_nothing_in_nothing_out() -> None:
    tower = encoder()
    assert tower.tokenize([]) == []
    assert tower.encode_tokens([]).shape == (0, 128)
    assert tower.encode_pixels([]).shape == (0, 128)


@pytest.mark.parametrize("text", ["", "  \t\n", "\x00\x07", "\u200b\u3000", "\ud83d", "!?", "…"])
def test_a_text_with_nothing_to_encode_is_refused_before_the_forward_pass(text: str) -> None:
    with pytest.raises(InvalidInput):
        encoder().tokenize(["fine", text])


def test_half_an_emoji_does_not_take_the_words_around_it_along() -> None:
    tower = encoder()
    assert np.array_equal(tower.tokenize(["cat\ud83d"])[0], tower.tokenize(["cat"])[0])


@pytest.mark.parametrize(
    ("raised", "as_what"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemory),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), OutOfMemory),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), OutOfMemory),
        (torch.AcceleratorError("CUDA error: an illegal memory access"), DeviceLost),
        (RuntimeError("CUDA error: device-side assert triggered\nlines of advice"), DeviceLost),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), DeviceLost),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), EncodingFailed),
    ],
)
def test_a_failure_says_whether_a_smaller_batch_or_a_new_process_would_help(
    raised: Exception, as_what: type[EncodingFailed]
) -> None:
    with pytest.raises(EncodingFailed) as caught:
        encoder(raising(raised)).encode_tokens([np.array([1, 97, 2], np.int32)])
    assert type(caught.value) is as_what
    assert "\n" not in str(caught.value)


def test_a_picture_too_many_says_so_as_a_text_does() -> None:
    class Full(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(OutOfMemory):
        encoder(image_tower=Full()).encode_pixels([np.zeros((4, 4, 3), np.uint8)])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_a_vector_without_a_direction_is_never_served(value: float) -> None:
    tower = FailingTower(lambda ids: torch.full((len(ids), 128), value))
    with pytest.raises(EncodingFailed, match="not finite, or zero"):
        encoder(tower).encode_tokens([np.array([1, 97, 2], np.int32)])


def test_threads_do_not_mix_up_their_texts() -> None:
    tower = encoder()
    words = [f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(200)]
    alone = [tower.encode_tokens(tower.tokenize([word])) for word in words]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda word: tower.encode_tokens(tower.tokenize([word])), words))
    np.testing.assert_array_equal(np.stack(together), np.stack(alone))


def test_warming_up_on_a_cpu_runs_a_text_of_either_extreme() -> None:
    shapes: list[tuple[int, ...]] = []

    class Recording(CountingTower):
        def forward(self, ids: Tensor) -> Tensor:
            shapes.append(tuple(ids.shape))
            return super().forward(ids)

    encoder(Recording()).warm_up(16, 8192)
    assert shapes == [(1, 4), (1, 8)]


def test_pictures_are_encoded_in_the_order_given() -> None:
    tower = encoder()
    colours = [Image.new("RGB", (9, 7), colour) for colour in ("red", "lime", "blue")]
    vectors = tower.encode_pixels([tower.to_pixels(image) for image in colours])
    assert vectors.argmax(axis=1).tolist() == [0, 1, 2]


def test_a_captured_pass_that_says_something_else_is_told_from_one_that_does_not() -> None:
    torch.manual_seed(0)
    plain = torch.randn(4, 16)
    assert same_directions(plain, plain * 2)
    assert same_directions(plain.bfloat16(), plain)
    stale = plain.clone()
    stale[2] = plain[1]
    assert not same_directions(stale, plain)
    stale[2] = float("nan")
    assert not same_directions(stale, plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_captured_graphs_say_what_the_plain_forward_says() -> None:
    class Towers(TextTower):
        pad_id = PAD

        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.Embedding(128, 128)

        def forward(self, ids: Tensor) -> Tensor:
            return self.rows(ids).mean(dim=1)

    torch.manual_seed(0)
    tower = encoder(Towers(), device="cuda")
    words = ["a", "ab", "abcdef", "q", "xyz"]
    tokens = tower.tokenize(words)
    plain = {n: tower.encode_tokens(tokens[:n]) for n in range(1, 6)}

    tower.warm_up(4, 8192)  # a batch of five was not captured, one of three runs as four

    for n, expected in plain.items():
        np.testing.assert_allclose(tower.encode_tokens(tokens[:n]), expected, atol=1e-6)
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda one: tower.encode_tokens([one])[0], tokens * 20))
    np.testing.assert_allclose(alone, np.tile(plain[5], (20, 1)), atol=1e-6)
