"""The folder source: every picture is found once, under one name, and nothing else is opened."""

import os
import socket
import unicodedata
from pathlib import Path

import pytest

from indexer.errors import Rejected, RejectReason, SourceError
from indexer.pictures.decode import DecodeLimits, decode
from indexer.sources.base import SourceItem, SourceReject
from indexer.sources.folder import FolderSource
from tests.indexer.pictures.hostile import write_good, write_hostile
from tests.indexer.sources.source_entries import PNG, items, put, reason_of, rejects


def test_every_picture_is_found_in_the_order_of_keys(tmp_path: Path) -> None:
    names = [
        "a.png",
        "a/z.png",
        "a/b/c.png",
        "a-b.png",
        "신발/빨간 구두 #1.png",
        "zz.png",
        "100%.png",
    ]
    paths = {name: put(tmp_path, name) for name in names}
    source = FolderSource(tmp_path)
    found = items(source)
    assert [item.key for item in found] == sorted(names)
    assert found == items(source)
    for item in found:
        assert item.uri == paths[item.key].as_uri()
        assert item.stamp == f"{len(PNG)}-{paths[item.key].stat().st_mtime_ns}"
        assert source.read(item) == PNG


def test_good_and_hostile_files_go_all_the_way(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 20)
    hostile = write_hostile(tmp_path / "hostile")
    source = FolderSource(tmp_path)
    got, decoded = {}, []
    for item in items(source):
        try:
            decode(source.read(item), limits=DecodeLimits())
            decoded.append(item.key)
        except Rejected as rejected:
            got[item.key.removeprefix("hostile/")] = rejected.reason
    assert decoded == [f"good/{name}" for name in good]
    assert got == hostile


def test_a_name_that_macos_wrote_has_the_key_that_people_type(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "한글/사진.png")
    put(tmp_path, name)
    source = FolderSource(tmp_path)
    (item,) = items(source)
    assert item.key == "한글/사진.png"
    assert source.read(item) == PNG


def test_of_two_names_equal_in_nfc_one_has_the_key_and_the_other_is_reported(
    tmp_path: Path,
) -> None:
    composed, decomposed = (unicodedata.normalize(form, "눈길.png") for form in ("NFC", "NFD"))
    put(tmp_path, composed)
    put(tmp_path, decomposed)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system makes one name of the two")
    source = FolderSource(tmp_path)
    entries = list(source)
    assert [type(entry) for entry in entries] == [SourceItem, SourceReject]
    assert entries[0].key == composed
    assert isinstance(entries[1], SourceReject)
    assert entries[1].reason == RejectReason.DUPLICATE_KEY
    assert entries == list(source)


def test_folders_equal_in_nfc_are_one_folder(tmp_path: Path) -> None:
    for form, name in (("NFC", "b.png"), ("NFD", "a.png"), ("NFC", "c.png")):
        put(tmp_path, f"{unicodedata.normalize(form, '가을')}/{name}")
    source = FolderSource(tmp_path)
    assert [item.key for item in items(source)] == ["가을/a.png", "가을/b.png", "가을/c.png"]
    assert [source.read(item) for item in items(source)] == [PNG] * 3


def test_what_the_system_left_behind_is_passed_over(tmp_path: Path) -> None:
    for name in (".hidden.png", ".git/a.png", "Thumbs.db", "sub/desktop.ini", "sub/THUMBS.DB"):
        put(tmp_path, name)
    assert list(FolderSource(tmp_path)) == []


def test_links_stay_inside_the_folder_and_do_not_loop(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-secret"
    inside, secret = put(root, "a/real.png"), put(outside, "secret.png")
    (root / "inside.png").symlink_to(inside)
    (root / "out.png").symlink_to(secret)
    (root / "out-folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "self.png").symlink_to("self.png")
    (root / "broken.png").symlink_to("nowhere.png")
    source = FolderSource(root)
    assert [item.key for item in items(source)] == ["a/real.png", "inside.png"]
    assert [source.read(item) for item in items(source)] == [PNG, PNG]
    assert rejects(source) == {
        "out.png": RejectReason.OUTSIDE_SOURCE,
        "out-folder": RejectReason.OUTSIDE_SOURCE,
        "loop": RejectReason.NOT_A_FILE,
        "self.png": RejectReason.UNREADABLE,
        "broken.png": RejectReason.UNREADABLE,
    }


def test_pipes_and_sockets_do_not_hang_the_indexer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        assert rejects(FolderSource(tmp_path)) == {
            "pipe.png": RejectReason.NOT_A_FILE,
            "socket.png": RejectReason.NOT_A_FILE,
        }


def test_a_file_replaced_after_the_scan_is_not_followed_out(tmp_path: Path) -> None:
    secret = put(tmp_path, "secret.png")
    path = put(tmp_path, "root/a.png")
    source = FolderSource(tmp_path / "root")
    (item,) = items(source)
    path.unlink()
    assert reason_of(source, item) == RejectReason.UNREADABLE
    path.symlink_to(secret)
    assert reason_of(source, item) == RejectReason.OUTSIDE_SOURCE
    path.unlink()
    os.mkfifo(path)
    assert reason_of(source, item) == RejectReason.NOT_A_FILE


def test_an_item_of_elsewhere_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, "secret.png")
    put(tmp_path, "root/a.png")
    source = FolderSource(tmp_path / "root")
    for uri in (
        f"{source.uri}/../secret.png",
        f"{source.uri}/%2E%2E/secret.png",
        "file:///etc/hosts",
    ):
        item = SourceItem("x", uri, None)
        assert reason_of(source, item) == RejectReason.OUTSIDE_SOURCE


def test_a_damaged_uri_is_unreadable(tmp_path: Path) -> None:
    source = FolderSource(tmp_path)
    item = SourceItem("x", f"{source.uri}/a%00.png", None)
    assert reason_of(source, item) == RejectReason.UNREADABLE


def test_a_name_that_is_not_utf8_is_reported(tmp_path: Path) -> None:
    name = "사진.png".encode("cp949")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(PNG)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert rejects(FolderSource(tmp_path)) == {
        r"\xbb\xe7\xc1\xf8.png": RejectReason.UNDECODABLE_NAME
    }


def test_a_folder_that_cannot_be_listed_is_reported_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, "locked/b.png")
    real = os.scandir

    def scandir(path: Path) -> object:
        # Permission bits do not stop root, which tests may run as.
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    source = FolderSource(tmp_path)
    assert [item.key for item in items(source)] == ["a.png"]
    assert rejects(source) == {"locked/": RejectReason.UNREADABLE}


def test_a_missing_root_is_an_error_not_an_empty_scan(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        FolderSource(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="is not a folder"):
        FolderSource(put(tmp_path, "file.png"))
    root = tmp_path / "unmounted"
    root.mkdir()
    source = FolderSource(root)
    root.rmdir()
    with pytest.raises(SourceError, match="cannot list"):
        list(source)


def test_a_film_of_four_gigabytes_costs_one_page(tmp_path: Path) -> None:
    film = put(tmp_path, "film.jpg", b"\0\0\0\x18ftypisom\0\0\2\0isommp42")
    os.truncate(film, 4 * 2**30)
    large = put(tmp_path, "large.png")
    os.truncate(large, 2**30)
    source = FolderSource(tmp_path)
    got = {item.key: reason_of(source, item) for item in items(source)}
    assert got == {
        "film.jpg": RejectReason.NOT_AN_IMAGE,
        "large.png": RejectReason.FILE_TOO_LARGE,
    }


def test_a_file_that_grew_is_still_bounded(tmp_path: Path) -> None:
    path = put(tmp_path, "a.png")
    source = FolderSource(tmp_path, max_bytes=len(PNG))
    (item,) = items(source)
    assert source.read(item) == PNG
    path.write_bytes(PNG + b"\0")
    assert reason_of(source, item) == RejectReason.FILE_TOO_LARGE


def test_a_tree_deeper_than_the_call_stack_is_walked(tmp_path: Path) -> None:
    depth, here = 1100, tmp_path
    for _ in range(depth):
        here /= "d"
        here.mkdir()
    picture_file = put(here, "a.png")
    source = FolderSource(tmp_path)
    (item,) = items(source)
    assert item.key == "d/" * depth + "a.png"
    assert source.read(item) == PNG
    picture_file.unlink()
    for folder in (here, *here.parents[: depth - 1]):  # rmtree recurses
        folder.rmdir()
