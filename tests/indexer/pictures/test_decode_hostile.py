"""Hostile bytes: each is rejected for its reason; none takes the indexer down with it."""

import subprocess
import sys
import textwrap
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import Rejected
from indexer.pictures.decode import DecodeLimits, decode
from indexer.pictures.sniff import FORMATS
from tests.indexer.pictures.hostile import encoded, picture, write_good, write_hostile

LIMITS = DecodeLimits()


def test_each_hostile_file_is_rejected_for_its_reason(tmp_path: Path) -> None:
    expected = write_hostile(tmp_path)
    assert len(expected) == 50
    start, got = time.perf_counter(), {}
    for name in expected:
        with pytest.raises(Rejected) as caught:
            decode((tmp_path / name).read_bytes(), limits=LIMITS)
        got[name] = caught.value.reason
        assert len(caught.value.detail) <= 200
        assert caught.value.detail.isprintable()
        assert caught.value.__context__ is None  # it would keep the half-decoded picture
    assert got == expected
    assert time.perf_counter() - start < 10


def test_hostile_files_do_not_take_the_memory_of_the_indexer(tmp_path: Path) -> None:
    write_hostile(tmp_path)
    script = """
        import pathlib, resource, sys
        from indexer.pictures.decode import DecodeLimits, decode
        from indexer.errors import Rejected
        def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        before = peak()
        for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
            try: decode(path.read_bytes(), limits=DecodeLimits())
            except Rejected: pass
        print(peak() - before)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(tmp_path)]
    grown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert int(grown.stdout) < 200  # MiB
    assert grown.stderr == ""


def test_odd_metadata_warns_nobody() -> None:
    tiff = bytearray(encoded(picture(), "TIFF"))
    directory = int.from_bytes(tiff[4:8], "little")
    entries = int.from_bytes(tiff[directory : directory + 2], "little")
    # A description of 64 KiB that the file does not hold takes the place of the last entry.
    last = directory + 2 + 12 * (entries - 1)
    tiff[last : last + 12] = bytes.fromhex("0e010200 00000100 00ff0000")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with suppress(Rejected):
            decode(bytes(tiff), limits=LIMITS)
        exif = b"Exif\0\0II*\0\x08\0\0\0\1\0" + tiff[last : last + 12] + bytes(4)
        good = encoded(picture(), "JPEG", exif=exif)
        assert decode(good, limits=LIMITS).width == 64
    assert seen == []


def test_threads_do_not_disturb_one_another(tmp_path: Path) -> None:
    names = write_good(tmp_path, 40)
    files = [(tmp_path / name).read_bytes() for name in names]
    alone = [decode(data, limits=LIMITS).image.tobytes() for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: decode(data, limits=LIMITS).image.tobytes(), files))
    assert together == alone


_WHOLE = {form: encoded(picture(size=(24, 16)), form) for form in FORMATS}
_WHOLE["TIFF, packed"] = encoded(picture(size=(24, 16)), "TIFF", compression="tiff_lzw")
_WHOLE["JPEG, progressive"] = encoded(picture(size=(24, 16)), "JPEG", progressive=True)


@settings(max_examples=600, deadline=None)
@given(
    form=st.sampled_from(sorted(_WHOLE)),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=8),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damage_is_decoded_or_rejected_never_raised(
    form: str, flips: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(_WHOLE[form])
    for where, mask in flips:
        data[int(where * len(data))] ^= mask
    try:
        result = decode(bytes(data[: int(kept * len(data))]), limits=DecodeLimits(max_pixels=10**7))
    except Rejected:
        return
    assert result.image.mode == "RGB"
    assert sorted(result.image.size) == sorted((result.width, result.height))
