"""Damaged and hostile shards: what came before is kept, nothing is deleted, memory is bounded."""

import gzip
import random
import tarfile
from itertools import islice, repeat
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import RejectReason
from indexer.sources import source_of
from indexer.sources.base import SourceIncomplete, SourceReject
from indexer.sources.webdataset.samples import SampleReader
from indexer.sources.webdataset.tar_members import TarMembers
from tests.indexer.sources.source_entries import PNG, is_incomplete, items, put, rejects, tar

SHARD = tar(("0001.png", PNG), ("0001.json", b"{}"), ("0002.png", PNG))


def test_a_shard_that_is_missing_hides_what_it_held_but_not_the_others(tmp_path: Path) -> None:
    put(tmp_path, "1.tar", tar(("a.png", PNG)))
    found = list(source_of(f"{tmp_path}/{{0..1}}.tar"))
    assert rejects(found) == {"0.tar": RejectReason.UNREADABLE}
    assert is_incomplete(found)
    assert [item.key for item in items(found)] == ["a"]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_shard_cut_anywhere_keeps_what_came_before_and_says_so(
    tmp_path: Path, *, compressed: bool
) -> None:
    whole = tar(("a.png", PNG), ("b.png", PNG), ("b.json", b"{}"), ("c.png", PNG))
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    name = "shard.tar.gz" if compressed else "shard.tar"
    for cut in range(0, end + 1, 256):
        data = gzip.compress(whole[:cut]) if compressed else whole[:cut]
        source = source_of(str(put(tmp_path, name, data)))
        found = list(source)
        assert [item.key for item in items(found)] == ["a", "b", "c"][: len(items(found))]
        assert [source.read(item) for item in items(found)] == [PNG] * len(items(found))
        assert isinstance(found[-2], SourceReject), cut
        assert found[-2].key == name
        assert isinstance(found[-1], SourceIncomplete)


def test_a_compressed_shard_cut_anywhere_keeps_what_came_before(tmp_path: Path) -> None:
    noise = random.Random(1)  # noqa: S311 - reproducible, not secret
    whole = gzip.compress(
        tar(*((f"{number}.png", PNG + noise.randbytes(5000)) for number in range(9)))
    )
    counts = []
    for cut in range(0, len(whole), 997):
        found = list(source_of(str(put(tmp_path, "shard.tar.gz", whole[:cut]))))
        assert is_incomplete(found), cut
        counts.append(len(items(found)))
    assert counts == sorted(counts)
    assert counts[-1] >= 7


def test_a_shard_damaged_in_the_middle_says_so(tmp_path: Path) -> None:
    first = len(tar(("a.png", PNG)).rstrip(b"\0")) // 512 * 512 + 512
    data = bytearray(tar(("a.png", PNG), ("b.png", PNG)))
    data[first : first + 512] = b"garbage!" * 64
    assert is_incomplete(source_of(str(put(tmp_path, "shard.tar", bytes(data)))))
    data = bytearray(gzip.compress(SHARD))
    data[len(data) // 2] ^= 0xFF
    assert is_incomplete(source_of(str(put(tmp_path, "shard.tar.gz", bytes(data)))))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_but_what_is_said(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(
        tar(("a.png", b"1" * 700), ("b" * 120 + ".png", b"2" * 10), ("b.json", b"{}"))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) // 2))
        damaged[at] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    for name, written in (("a.tar", bytes(damaged)), ("a.tar.gz", gzip.compress(bytes(damaged)))):
        for entry in source_of(str(put(folder, name, written))):
            assert entry is not None


def test_an_archive_after_the_archive_is_not_passed_over(tmp_path: Path) -> None:
    """`cat a.tar b.tar`: readers of tar stop at the end of the first."""
    first, second = tar(("a.png", PNG), ("b.png", PNG)), tar(("c.png", PNG))
    for name, data in (
        ("shard.tar", first + second),
        ("shard.tar.gz", gzip.compress(first) + gzip.compress(second)),
    ):
        found = list(source_of(str(put(tmp_path, name, data))))
        assert rejects(found) == {name: RejectReason.UNREADABLE}
        assert is_incomplete(found)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_endless_headers_are_not_kept(tmp_path: Path, kind: bytes) -> None:
    header, member = tarfile.TarInfo("x"), tarfile.TarInfo("a.png")
    header.type, member.size = kind, 512
    record = b"300011 k%03d=" + b"v" * 300_000 + b"\n"
    header.size = len(record % 0)
    padding = bytes(-header.size % 512)
    shard = tmp_path / "shard.tar.gz"
    with gzip.open(shard, "wb", compresslevel=1) as file:
        for number in range(9):
            file.write(header.tobuf() + record % number + padding)
            if number % 3 == 2:
                file.write(member.tobuf() + PNG[:512])
        file.write(bytes(1024))
    found = list(source_of(str(shard)))
    assert is_incomplete(found) is (kind == tarfile.XGLTYPE)


def test_members_that_are_no_sample_are_told_as_they_come() -> None:
    """They are not gathered first: an archive may hold nothing else."""
    endless = cast("TarMembers", repeat(tarfile.TarInfo("x\ny.png")))
    told = islice(SampleReader(endless, 1, with_data=False), 5)
    assert all(isinstance(each, SourceReject) for each in told)


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 50 * 1024**3
    shard = put(tmp_path, "shard.tar", header.tobuf())
    with shard.open("r+b") as file:
        file.truncate(60 * 1024**3)
    assert is_incomplete(source_of(str(shard)))
