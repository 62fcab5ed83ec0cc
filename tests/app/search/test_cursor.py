"""A cursor says again what was put into it, and nothing else is taken for one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search.cursor import DIGEST_BYTES, MAX_CURSOR, MAX_SHOWN, Cursor

digests = st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES)
shown = st.frozensets(st.integers(0, 2**63 - 1), max_size=50)


@given(version=st.integers(0, 2**63 - 1), digest=digests, shown=shown)
def test_what_goes_in_comes_out(version: int, digest: bytes, shown: frozenset[int]) -> None:
    cursor = Cursor(version, digest, shown)
    assert Cursor.decode(cursor.encode()) == cursor


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_anything_else_is_refused(text: str) -> None:
    try:
        cursor = Cursor.decode(text)
    except ValueError:
        return
    assert len(cursor.shown) <= MAX_SHOWN


def test_the_longest_fits() -> None:
    longest = frozenset(range(2**63 - MAX_SHOWN, 2**63))
    spread = frozenset(number * (2**63 // MAX_SHOWN) for number in range(1, MAX_SHOWN + 1))
    for images in (longest, spread):
        text = Cursor(2**63 - 1, bytes(DIGEST_BYTES), images).encode()
        assert len(text) <= MAX_CURSOR
        assert Cursor.decode(text).shown == images
    usual = frozenset(range(0, 1_000_000, 1_000))
    assert len(Cursor(1, bytes(DIGEST_BYTES), usual).encode()) < 3_000, "it fits into an address"


def test_more_than_may_be_shown_is_refused() -> None:
    text = Cursor(1, bytes(DIGEST_BYTES), frozenset(range(MAX_SHOWN + 1))).encode()
    with pytest.raises(ValueError, match="another kind"):
        Cursor.decode(text)
