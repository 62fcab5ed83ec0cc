"""What was verified once is opened at once, and what changed since is noticed."""

import os
from pathlib import Path

import pytest

from indexer.errors import VersionDamaged
from indexer.layout import VERIFIED
from indexer.versions import manifest as manifests
from indexer.versions.manifest import ATTRIBUTES, IDS, VECTORS
from indexer.versions.verified import read_verified, verify_all
from tests.indexer.versions import build, flip, hide_damage, made_from, pictures

FILES = [ATTRIBUTES, IDS, VECTORS]


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return build(tmp_path, made_from(pictures(50)))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read from end to end."""
    names: list[str] = []
    original = manifests.sha256_of

    def noting(path: Path) -> str:
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(manifests, "sha256_of", noting)
    return names


def record(version: Path) -> Path:
    return version.parent.parent / VERIFIED / f"{version.name}.json"


def test_a_version_is_read_once_and_then_remembered(version: Path, hashed: list[str]) -> None:
    """A server that restarts must not read a hundred gigabytes first."""
    record(version).unlink()
    assert read_verified(version)[1] is False
    assert sorted(hashed) == FILES
    assert read_verified(version)[1] is True
    assert len(hashed) == len(FILES)


def test_a_build_is_remembered_under_its_final_name(version: Path, hashed: list[str]) -> None:
    assert read_verified(version)[1] is True
    assert hashed == []


def test_only_what_was_touched_is_read_again(version: Path, hashed: list[str]) -> None:
    os.utime(version / IDS)
    assert read_verified(version)[1] is True
    assert hashed == [IDS]


def test_bytes_that_changed_behind_their_times_are_noticed(version: Path) -> None:
    """Size and mtime can be put back; the time of the inode cannot."""
    before = (version / VECTORS).stat()
    flip(version / VECTORS, 999)
    os.utime(version / VECTORS, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (version / VECTORS).stat().st_mtime_ns == before.st_mtime_ns
    with pytest.raises(VersionDamaged, match=r"vectors\.f16 does not match"):
        read_verified(version)


@pytest.mark.parametrize("text", ["", "{", '{"files": {"ids.npy": 5}}', "\0" * 99])
def test_a_record_that_cannot_be_read_counts_for_nothing(
    version: Path, hashed: list[str], text: str
) -> None:
    record(version).write_text(text)
    assert read_verified(version)[1] is False
    assert sorted(hashed) == FILES
    assert read_verified(version)[1] is True, "it was written anew"


def test_the_record_of_another_version_vouches_for_nothing(tmp_path: Path, version: Path) -> None:
    other = build(tmp_path, made_from(pictures(60)))
    record(version).replace(record(other))
    assert read_verified(other)[1] is False


def test_where_nothing_can_be_written_versions_open_all_the_same(
    version: Path, hashed: list[str]
) -> None:
    record(version).unlink()
    record(version).parent.rmdir()
    record(version).parent.write_text("no folder")
    assert [read_verified(version)[1] for _ in range(2)] == [False, False]
    assert len(hashed) == 2 * len(FILES)


def test_damage_is_told_where_its_memory_cannot_be_removed(version: Path) -> None:
    """A disk that fails is often made read-only."""
    flip(version / VECTORS, 999)
    record(version).unlink()
    record(version).mkdir()
    with pytest.raises(VersionDamaged, match=r"vectors\.f16 does not match"):
        verify_all(version)


def test_damage_that_no_time_shows_is_found_and_its_memory_lost(version: Path) -> None:
    flip(version / VECTORS, 999)
    hide_damage(version)
    assert read_verified(version)[1] is True, "this is what it cannot see"
    with pytest.raises(VersionDamaged, match=r"vectors\.f16 does not match"):
        verify_all(version)
    with pytest.raises(VersionDamaged):
        read_verified(version)
