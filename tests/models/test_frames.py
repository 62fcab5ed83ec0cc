"""What a frame carries arrives as it was; what is no frame is refused and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.worker import frames
from models.worker.frames import BadFrame, Hello
from tests.tiny_encoder import TinyEncoder


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.binary())
def test_header_and_payload_arrive(texts: list[str], payload: bytes) -> None:
    header, rest = frames.unpack(frames.pack({"texts": texts}, payload))
    assert (header, bytes(rest)) == ({"texts": texts}, payload)


def test_embeddings_arrive() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    header, payload = frames.unpack(frames.pack_embeddings(7, rows))
    assert header["id"] == 7
    assert np.array_equal(frames.unpack_embeddings(header, payload), rows)


def test_pictures_arrive() -> None:
    pictures = [Image.new("RGB", (3, 2), "red"), Image.linear_gradient("L").convert("RGB")]
    arrived = frames.unpack_images(*frames.unpack(frames.pack_images({"id": 1}, pictures)))
    assert [(p.size, p.tobytes()) for p in arrived] == [(p.size, p.tobytes()) for p in pictures]


def test_the_greeting_arrives() -> None:
    hello = Hello(replace(TinyEncoder().spec, id="모델"), [(1, 0.012), (256, 0.5)])
    assert frames.unpack_hello(frames.pack_hello(hello)) == hello


@given(st.binary())
def test_no_bytes_whatever_do_more_than_be_refused(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        frames.unpack(frame)


@pytest.mark.parametrize(
    "header", [{}, {"shape": [2, 5]}, {"shape": "x"}, {"shape": [-1, 0]}, {"shape": [-1, 7]}]
)
def test_embeddings_of_another_shape_are_refused(header: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        frames.unpack_embeddings(header, memoryview(b"x" * 12))


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"sizes": 3},
        {"sizes": [[2]]},
        {"sizes": [[100, 100]]},
        {"sizes": [[-1, 2]]},
        {"sizes": [[-2, -2]]},
        {"sizes": [[1, 1]]},
        {"sizes": [["a", 2]]},
    ],
)
def test_pictures_of_another_size_are_refused(header: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        frames.unpack_images(header, memoryview(b"x" * 12))


@pytest.mark.parametrize("header", [{}, {"spec": 1, "pace": []}, {"spec": {"id": "x"}, "pace": 1}])
def test_a_greeting_without_a_spec_is_refused(header: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        frames.unpack_hello(frames.pack(header))
