"""A worker that lacks the folder says so, instead of rejecting every picture."""

from pathlib import Path

import pytest

from indexer.drivers.ray_data.landmarks import landmarks_of, require_landmarks
from indexer.errors import SourceError


@pytest.mark.parametrize("name", ["", "red.png", "*.png", "{000..009}.tar"])
def test_a_source_that_is_there_is_found(name: str, photos: Path) -> None:
    uri = f"{photos.as_uri()}/{name}"
    require_landmarks(uri, landmarks_of(uri))


def test_a_mount_point_that_is_empty_is_not_the_folder(photos: Path) -> None:
    landmarks = landmarks_of(photos.as_uri())
    for path in photos.iterdir():
        path.unlink()
    with pytest.raises(SourceError, match="every node"):
        require_landmarks(photos.as_uri(), landmarks)


def test_files_that_went_since_the_scan_are_no_missing_mount(photos: Path) -> None:
    landmarks = landmarks_of(photos.as_uri())
    (photos / "red.png").unlink()
    require_landmarks(photos.as_uri(), landmarks)


def test_the_web_needs_no_folder() -> None:
    assert not landmarks_of("https://photos.example/shop.csv")
