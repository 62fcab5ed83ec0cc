"""Which files of weights there are, where they come from, and what they come to."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.config import EncoderOptions
from models.errors import ModelUnavailable
from models.weights.configs import same_for_all
from models.weights.download import download, sha256_of
from models.weights.hub import Wanted, cache_folder, fetch, is_offline

__all__ = [
    "OPEN_CLIP_WEIGHTS",
    "TOKENIZER_FILES",
    "TRANSFORMERS_WEIGHTS",
    "Wanted",
    "fetch",
    "fetch_pretrained_tag",
    "fingerprint",
    "tokenizer_roles",
    "weights_in",
]

OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What open_clip calls the weights in a repository or folder, best first."""

TRANSFORMERS_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""What transformers calls them."""

TOKENIZER_FILES = (
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
)
"""What a tokenizer may be stored in, and no code; *.model are sentencepiece's."""

_SHA256 = re.compile("[0-9a-f]{64}")


def fetch_pretrained_tag(model: str, tag: str, options: EncoderOptions) -> Path:
    """The file of weights behind open_clip's `tag` for its `model`.

    Raises ModelUnavailable; KeyError for a tag that open_clip does not list.
    """
    from open_clip import pretrained  # noqa: PLC0415 - takes seconds; fetch() does not need it

    entry = pretrained.get_pretrained_cfg(model, tag)
    if not entry:
        raise KeyError(tag)
    repo_id, _, name = entry.get("hf_hub", "").rpartition("/")
    if not repo_id or _names_another_tag(model, tag, entry["hf_hub"]):
        return _from_url(entry["url"], options)
    names = (f"{Path(name).stem}.safetensors", name) if name else OPEN_CLIP_WEIGHTS
    return weights_in(fetch(repo_id, Wanted(weights=names), options), names)


def weights_in(folder: Path, names: Sequence[str]) -> Path:
    """The first of `names` in `folder`. Raises ModelUnavailable where there is none."""
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise ModelUnavailable(f"{folder}: no weights there; looked for {' and '.join(names)}")
    return found


def tokenizer_roles(folder: Path) -> dict[str, Path]:
    """What of a folder a tokenizer is made of, for `fingerprint`. A fast tokenizer is all in
    tokenizer.json; whatever else lies beside it differs from download to download.
    """
    if (folder / "tokenizer.json").is_file():
        names = ["tokenizer.json", "tokenizer_config.json"]
    else:
        names = [path.name for pattern in TOKENIZER_FILES for path in folder.glob(pattern)]
    return {name: folder / name for name in names if (folder / name).is_file()}


def fingerprint(files: Mapping[str, Path], *settings: object) -> str:
    """What decides an encoder's vectors: files of weights and tokenizer, and settings.

    The files go by their role, wherever they lie and whatever they are called; of those
    whose role ends in `config` or `config.json` only what they say about vectors counts. The
    settings have to be values whose `repr` says all of them, such as dataclasses. Raises
    ModelUnavailable for a file of the hub's cache that is not what was downloaded: the cache
    names large files after their SHA-256.
    """
    contents = sorted((role, _content(role, path)) for role, path in files.items())
    return hashlib.sha256(repr((contents, *settings)).encode()).hexdigest()


def _names_another_tag(model: str, tag: str, repository: str) -> bool:
    """open_clip lists one repository for both epochs of ViT-B-16-plus-240: then by address."""
    from open_clip import pretrained  # noqa: PLC0415 - see above

    tags = pretrained.list_pretrained_tags_by_model(model)
    entries = {name: pretrained.get_pretrained_cfg(model, name) for name in tags}
    same = [name for name, entry in entries.items() if entry.get("hf_hub") == repository]
    return tag != same[0] and bool(entries[tag].get("url") != entries[same[0]].get("url"))


def _from_url(url: str, options: EncoderOptions) -> Path:
    """A release of open_clip's; its name ends in the beginning of its SHA-256."""
    target = cache_folder(options) / "open_clip" / url.rpartition("/")[2]
    if target.exists():
        return target
    if is_offline(options):
        raise ModelUnavailable(f"{target} is not there and the network is not to be used")
    download(url, target, sha256=target.stem.rpartition("-")[2])
    return target


def _content(role: str, path: Path) -> str:
    is_config = role.removesuffix(".json").endswith("config")
    return same_for_all(path) if is_config else _verified_sha256(path)


def _verified_sha256(path: Path) -> str:
    try:
        content, stored_as = sha256_of(path), path.resolve().name
    except OSError as error:
        raise ModelUnavailable(f"{path}: {error.strerror}") from error
    if _SHA256.fullmatch(stored_as) and stored_as != content:
        raise ModelUnavailable(f"{path} is damaged (checksum): delete {path.resolve()}, load again")
    return content
