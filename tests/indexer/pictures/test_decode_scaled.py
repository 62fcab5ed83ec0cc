"""A large picture is decoded small where no one can tell, and never so many at once as to fill
the memory.
"""

import io
import queue
import threading
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from indexer.pictures.decode import NARROW_MARGIN, WIDE_MARGIN, Decoded, DecodeLimits, decode
from indexer.room import Room
from models.encoding import encode_images
from models.registry import shared_encoder
from tests.indexer.pictures.hostile import encoded, picture

LIMITS = DecodeLimits()


@pytest.mark.parametrize("hint", [7, 32, 224, 260])
@pytest.mark.parametrize("size", [(40, 3000), (640, 480), (1600, 1201), (2592, 1944)])
def test_a_scaled_decode_leaves_a_margin(size: tuple[int, int], hint: int) -> None:
    short = min(size)
    data = encoded(picture(size=size), "JPEG")
    scaled = min(decode(data, limits=LIMITS, min_side_hint=hint).image.size)
    assert scaled == short or scaled >= NARROW_MARGIN * hint
    assert short < 16 * hint or scaled >= WIDE_MARGIN * hint


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg"])
@pytest.mark.parametrize("long_side", [1600, 2600])
def test_a_scaled_decode_is_embedded_like_a_whole_one(name: str, long_side: int) -> None:
    starter = shared_encoder("starter")
    photo = Image.open(Path(skimage.data.__file__).parent / name).convert("RGB")
    scale = long_side / max(photo.size)
    large = photo.resize((round(photo.width * scale), round(photo.height * scale)))
    data = encoded(large, "JPEG", quality=90)
    scaled = decode(data, limits=LIMITS, min_side_hint=starter.spec.image_size).image
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    assert scaled.width < whole.width
    rows = encode_images(starter, [scaled, whole])
    assert rows[0] @ rows[1] >= 0.995


@pytest.mark.parametrize(
    "data",
    [
        encoded(picture(size=(100, 100)), "PNG"),
        # Decoded at an eighth, but its coefficients are in memory whole.
        encoded(picture(size=(400, 400)), "JPEG", progressive=True),
    ],
    ids=["whole", "progressive"],
)
def test_large_pictures_wait_for_room_to_be_decoded(data: bytes) -> None:
    """Sixteen cores must not hold sixteen times 100 megapixels."""
    room = Room(1_000_000)
    decoded_ones: queue.SimpleQueue[Decoded] = queue.SimpleQueue()

    def work() -> None:
        decoded_ones.put(decode(data, limits=LIMITS, min_side_hint=8, room=room))

    with room.holding(900_000):
        thread = threading.Thread(target=work)
        thread.start()
        with pytest.raises(queue.Empty):
            decoded_ones.get(timeout=0.1)
    thread.join()
    assert decoded_ones.get_nowait().width >= 100
