"""A thousand damaged versions, none of which is served.

FAISS alone loads many of them: of 160 index files with four changed bytes, 51.
"""

from collections.abc import Callable
from itertools import cycle, islice, product
from pathlib import Path
from random import Random

import pytest

from indexer.backends.opening import open_version
from indexer.building.index_spec import IndexFamily
from indexer.building.places import BuildOptions
from indexer.errors import VersionDamaged
from indexer.versions.manifest import ATTRIBUTES, CHECKSUM, IDS, INDEX, LISTS, MANIFEST, VECTORS
from tests.indexer.versions import build, made_from, pictures

EXACT = {MANIFEST, CHECKSUM, ATTRIBUTES, IDS, VECTORS}
FILES = {
    IndexFamily.FLAT: EXACT,
    IndexFamily.IVF_RABITQ: EXACT | {INDEX},
    IndexFamily.IVF_SQ8: EXACT | {INDEX, LISTS},
}
EACH = 334
_PAGE = 512

Versions = tuple[Path, Path]


@pytest.fixture(params=FILES, scope="module")
def versions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Two of a family, of different images."""
    root = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("indexer.building.index_spec.MIN_IVF", 500)
        options = BuildOptions(memory_bytes=32 * 1024)
        first, second = (
            build(root, made_from(pictures(count, 32), request.param), options)
            for count in (600, 601)
        )
    assert {file.name for file in first.iterdir()} == FILES[request.param]
    return first, second


def _with(data: bytes, place: int, piece: bytes) -> bytes:
    return (data[:place] + piece + data[place + len(piece) :])[: len(data)]


def _flipped(data: bytes, place: int, random: Random) -> bytes:
    return _with(data, place, bytes([data[place] ^ 1 << random.randrange(8)]))


Harm = Callable[[bytes, bytes, int, Random], bytes | None]
"""From the file, its like in another version and a place, to the file as it is found; None: it
is not.
"""
HARMS: dict[str, Harm] = {
    "flip": lambda data, _, place, random: _flipped(data, place, random),
    "four bytes": lambda data, _, place, random: _with(data, place, random.randbytes(4)),
    "truncate": lambda data, _, place, __: data[:place],
    "extend": lambda data, _, place, random: data + random.randbytes(1 + place % 99),
    "zeroed page": lambda data, _, place, __: _with(data, place // _PAGE * _PAGE, bytes(_PAGE)),
    "exchange": lambda _, other, __, ___: other,
    "empty": lambda *_: b"",
    "delete": lambda *_: None,
}


def test_no_damaged_version_is_ever_served(versions: Versions) -> None:
    version, other = versions
    files = sorted(version.iterdir())
    originals = {file: file.read_bytes() for file in files}
    served = []
    for seed, (file, harm) in enumerate(islice(cycle(product(files, HARMS)), EACH)):
        random = Random(seed)  # noqa: S311 - the same harms each time
        original = originals[file]
        place = random.randrange(len(original))
        damaged = HARMS[harm](original, (other / file.name).read_bytes(), place, random)
        if damaged == original:  # zeros over zeros
            damaged = original[:-1]
        open_version(version)  # so that it is remembered as intact
        if damaged is None:
            file.unlink()
        else:
            file.write_bytes(damaged)
        try:
            open_version(version)
        except VersionDamaged:
            pass
        else:
            served.append((seed, file.name, harm))
        file.write_bytes(original)
    assert served == []
    assert open_version(version)[1].count == 600


def test_files_of_a_version_that_were_all_exchanged_but_one_are_not_served(
    versions: Versions,
) -> None:
    """A copy that was interrupted, over the files of another version."""
    version, other = versions
    originals = {file: file.read_bytes() for file in version.iterdir()}
    for kept in originals:
        for file in originals.keys() - {kept}:
            file.write_bytes((other / file.name).read_bytes())
        with pytest.raises(VersionDamaged):
            open_version(version)
        for file, data in originals.items():
            file.write_bytes(data)
    assert open_version(version)[1].count == 600
