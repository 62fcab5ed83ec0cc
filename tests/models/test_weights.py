"""Weights arrive whole, once, and are never quietly something else."""

import hashlib
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from models.config import EncoderOptions
from models.errors import ModelUnavailable
from models.weights import download as downloads
from models.weights.files import (
    Wanted,
    fetch,
    fetch_pretrained_tag,
    fingerprint,
    weights_in,
)
from tests.models.fake_hub import FakeHub, serving_hub

WANTED = Wanted(files=("config.json", "tokenizer*.json"), weights=("a.safetensors", "a.bin"))
REPO = "noongil/tiny"
BODY = bytes(range(256)) * 40


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serving_hub(monkeypatch) as hub:
        hub.files[f"{REPO}/config.json"] = b"{}"
        hub.files[f"{REPO}/a.bin"] = BODY
        yield hub


@pytest.fixture
def options(tmp_path: Path) -> EncoderOptions:
    return EncoderOptions(cache_dir=tmp_path / "cache")


def test_fetches_what_is_wanted_and_nothing_else(hub: FakeHub, options: EncoderOptions) -> None:
    hub.files[f"{REPO}/tf_model.h5"] = BODY
    folder = fetch(REPO, WANTED, options)
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "config.json"]
    assert (folder / "a.bin").read_bytes() == BODY


def test_prefers_the_file_that_can_hold_only_tensors(hub: FakeHub, options: EncoderOptions) -> None:
    hub.files[f"{REPO}/a.safetensors"] = BODY[::-1]
    folder = fetch(REPO, WANTED, options)
    assert weights_in(folder, WANTED.weights).name == "a.safetensors"
    assert not (folder / "a.bin").exists()


def test_a_second_use_is_silent_on_the_network(
    hub: FakeHub, options: EncoderOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetch(REPO, WANTED, options)
    asked = len(hub.requests)
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    assert fetch(REPO, WANTED, options) == first
    assert len(hub.requests) == asked


def test_a_cut_download_goes_on_where_it_broke(hub: FakeHub, options: EncoderOptions) -> None:
    hub.cut_after = [4000]
    folder = fetch(REPO, WANTED, options)
    assert (folder / "a.bin").read_bytes() == BODY
    assert hub.ranges == ["bytes=0-", "bytes=4000-"]


def test_a_download_broken_for_good_goes_on_in_the_next_run(
    hub: FakeHub, options: EncoderOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_TRIES", 1)
    hub.cut_after = [5000, 0]
    with pytest.raises(ModelUnavailable, match="run again to go on"):
        fetch(REPO, WANTED, options)
    hub.ranges.clear()
    folder = fetch(REPO, WANTED, options)
    assert (folder / "a.bin").read_bytes() == BODY
    assert hub.ranges == ["bytes=5000-"]


def test_a_server_that_serves_other_bytes_is_not_believed(
    hub: FakeHub, options: EncoderOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = hub.listing(REPO)
    monkeypatch.setattr(hub, "listing", lambda _: listed)
    hub.files[f"{REPO}/a.bin"] = BODY[::-1]
    with pytest.raises(ModelUnavailable, match="damaged"):
        fetch(REPO, WANTED, options)
    with pytest.raises(ModelUnavailable):
        fetch(REPO, WANTED, replace(options, offline=True))


@pytest.mark.parametrize("name", ["a.bin", "config.json"])
def test_a_file_cut_short_on_disk_is_fetched_again(
    hub: FakeHub, options: EncoderOptions, name: str
) -> None:
    whole = hub.files[f"{REPO}/{name}"]
    (fetch(REPO, WANTED, options) / name).resolve().write_bytes(whole[:1])
    with pytest.raises(ModelUnavailable, match="not whole"):
        fetch(REPO, WANTED, replace(options, offline=True))
    assert (fetch(REPO, WANTED, options) / name).read_bytes() == whole


@pytest.mark.usefixtures("hub")
def test_weights_that_changed_on_disk_are_refused(options: EncoderOptions) -> None:
    weights = fetch(REPO, WANTED, options) / "a.bin"
    weights.resolve().write_bytes(BODY[:-1] + b"x")
    with pytest.raises(ModelUnavailable, match="damaged"):
        fingerprint({"weights": weights})


def test_offline_says_what_is_missing_and_asks_nobody(
    hub: FakeHub, options: EncoderOptions
) -> None:
    with pytest.raises(ModelUnavailable, match=f"{REPO} is not whole in the cache"):
        fetch(REPO, WANTED, replace(options, offline=True))
    assert hub.requests == []


def test_a_cache_filled_by_another_program_is_used_offline_and_completed_online(
    hub: FakeHub, options: EncoderOptions, tmp_path: Path
) -> None:
    folder = fetch(REPO, WANTED, options)
    shutil.rmtree(folder.parent.parent / "trees")
    copied = tmp_path / "복사본"
    shutil.copytree(tmp_path / "cache", copied, symlinks=True)
    there = replace(options, cache_dir=copied)
    assert (fetch(REPO, WANTED, replace(there, offline=True)) / "a.bin").read_bytes() == BODY
    hub.files[f"{REPO}/tokenizer.json"] = b"{}"
    assert (fetch(REPO, WANTED, there) / "tokenizer.json").exists()


@pytest.mark.parametrize(
    ("repo_id", "reason"),
    [
        ("noongil/absent", "no repository noongil/absent"),
        ("noongil/closed", "accept its terms"),
        ("한국어 이름", "no repository of the hub"),
        ("noongil/empty", "no file that this loader reads"),
    ],
)
def test_what_cannot_be_fetched_is_one_clear_line(
    hub: FakeHub, options: EncoderOptions, repo_id: str, reason: str
) -> None:
    hub.gated.add("noongil/closed")
    hub.files["noongil/empty/README.md"] = b"-"
    with pytest.raises(ModelUnavailable, match=reason) as caught:
        fetch(repo_id, WANTED, options)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("hub")
def test_a_hub_out_of_reach_is_one_clear_line(
    options: EncoderOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    with pytest.raises(ModelUnavailable, match="cannot be fetched") as caught:
        fetch(REPO, WANTED, options)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("hub")
def test_a_full_disk_is_said_before_the_download(
    options: EncoderOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ModelUnavailable, match="no room"):
        fetch(REPO, WANTED, options)


def test_a_tag_of_open_clip_comes_from_its_repository(
    hub: FakeHub, options: EncoderOptions
) -> None:
    hub.files["timm/ViT-B-16-SigLIP2/open_clip_model.safetensors"] = BODY
    path = fetch_pretrained_tag("ViT-B-16-SigLIP2", "webli", options)
    assert path.name == "open_clip_model.safetensors"
    assert path.read_bytes() == BODY


def test_an_epoch_is_never_taken_for_another(
    hub: FakeHub, options: EncoderOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """open_clip 3.3 names epoch 31's repository for epoch 32, which M-CLIP was trained on."""
    from open_clip import pretrained  # noqa: PLC0415 - slow to import

    sha256 = hashlib.sha256(BODY).hexdigest()
    hub.files[f"releases/download/plus-{sha256[:8]}.pt"] = BODY
    address = f"{hub.address}/releases/download/resolve/main/plus-{sha256[:8]}.pt"
    entries = pretrained._PRETRAINED["ViT-B-16-plus-240"]
    monkeypatch.setitem(entries["laion400m_e32"], "url", address)
    path = fetch_pretrained_tag("ViT-B-16-plus-240", "laion400m_e32", options)
    assert path.read_bytes() == BODY
    with pytest.raises(KeyError):
        fetch_pretrained_tag("ViT-B-16-plus-240", "laion400m_e33", options)


def test_a_fingerprint_goes_with_contents_and_roles_only(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "저기"
    here.write_bytes(b"1")
    there.write_bytes(b"1")
    first = fingerprint({"weights": here})
    assert fingerprint({"weights": there}) == first
    assert fingerprint({"tokenizer": there}) != first
    assert fingerprint({"weights": there}, 224) != first
    there.write_bytes(b"3")
    assert fingerprint({"weights": there}) != first


def test_a_fingerprint_hears_what_a_configuration_says_and_not_how(tmp_path: Path) -> None:
    said, again = tmp_path / "config.json", tmp_path / "again.json"
    said.write_text('{"layers": 2, "heads": 4}')
    again.write_text('{"heads":4, "layers":2, "_name_or_path": "somewhere"}')
    assert fingerprint({"config": said}) == fingerprint({"config": again})
    again.write_text('{"heads":4, "layers":3}')
    assert fingerprint({"config": said}) != fingerprint({"config": again})


@pytest.mark.parametrize("by_environment", [False, True])
def test_offline_holds_for_weights_fetched_by_address_too(
    hub: FakeHub, options: EncoderOptions, monkeypatch: pytest.MonkeyPatch, *, by_environment: bool
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", by_environment)
    options = replace(options, offline=not by_environment)
    with pytest.raises(ModelUnavailable, match="the network is not to be used"):
        fetch_pretrained_tag("ViT-B-16-plus-240", "laion400m_e32", options)
    with pytest.raises(ModelUnavailable, match="the network is not to be used"):
        fetch(REPO, WANTED, options)
    assert hub.requests == []


def _no_network(*_: object) -> None:
    raise AssertionError("the network was used")
