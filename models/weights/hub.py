"""Repositories of the model hub: from the cache if they are there, else downloaded into it.

The cache is `huggingface_hub`'s own and may be shared with other programs. What is in it is
used without a word to the network.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import httpx2
from huggingface_hub import (
    HfApi,
    constants,
    get_cached_repo_tree,
    hf_hub_url,
    snapshot_download,
)
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers, disable_progress_bars

from models.config import EncoderOptions
from models.errors import ModelUnavailable
from models.weights.download import download


@dataclass(frozen=True)
class Wanted:
    """What is needed of a repository: all `files` that match, and one file of weights."""

    files: tuple[str, ...] = ()
    """Patterns; their `*` goes across folders."""
    weights: tuple[str, ...] = ()
    """Names, best first: only the first that the repository has is fetched."""

    def among(self, names: Iterable[str]) -> list[str] | None:
        """None where `names` hold none of the weights."""
        names = list(names)
        chosen = [name for name in names if any(fnmatch(name, wish) for wish in self.files)]
        if not self.weights:
            return chosen
        best = next((name for name in self.weights if name in names), None)
        return None if best is None else [*chosen, best]


def fetch(repo_id: str, wanted: Wanted, options: EncoderOptions) -> Path:
    """The folder with what is `wanted` of the hub's repository `repo_id`.

    The first use downloads, and goes on where an earlier download broke off; later uses
    do not touch the network, not even to ask for a newer edition. Raises ModelUnavailable,
    in one line that says what to do.
    """
    with _plain_errors(repo_id):
        offline = is_offline(options)
        folder = _cached(repo_id, wanted, cache_folder(options), as_it_is=offline)
        if folder is not None:
            return folder
        if offline:
            raise ModelUnavailable(
                f"{repo_id} is not whole in the cache {cache_folder(options)}, and the network "
                "is not to be used: load it once online, or name another cache folder"
            )
        return _from_hub(repo_id, wanted, options)


def is_offline(options: EncoderOptions) -> bool:
    """Whether the settings, or HF_HUB_OFFLINE, forbid the network."""
    return options.offline or constants.is_offline_mode()


def cache_folder(options: EncoderOptions) -> Path:
    return options.cache_dir or Path(constants.HF_HUB_CACHE)


def _cached(repo_id: str, wanted: Wanted, cache: Path, *, as_it_is: bool) -> Path | None:
    """The folder in the cache, if it is whole.

    A cache that another program filled may lack the hub's listing, without which nobody
    knows: it is then taken `as_it_is`, or not at all.
    """
    try:  # no pattern: only where the snapshot would be
        found = snapshot_download(
            repo_id, cache_dir=cache, local_files_only=True, allow_patterns=[]
        )
    except LocalEntryNotFoundError:
        return None
    folder = Path(found)
    sizes = _listed(repo_id, cache)
    if not sizes and as_it_is:
        files = [path for path in folder.rglob("*") if path.is_file()]
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    chosen = wanted.among(sizes)
    if chosen and all(_has_size(folder / name, sizes[name]) for name in chosen):
        return folder
    return None


def _listed(repo_id: str, cache: Path) -> dict[str, int]:
    """Sizes in bytes as the hub gave them; nothing where another program filled the cache."""
    try:
        return {file.path: file.size for file in get_cached_repo_tree(repo_id, cache_dir=cache)}
    except CachedRepoTreeNotFoundError:
        return {}


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _from_hub(repo_id: str, wanted: Wanted, options: EncoderOptions) -> Path:
    listing = HfApi().model_info(repo_id, files_metadata=True).siblings or []
    files = {file.rfilename: file for file in listing}
    chosen = wanted.among(files)
    if not chosen:
        raise ModelUnavailable(
            f"{repo_id} has no file that this loader reads; looked for "
            f"{' or '.join(wanted.weights or wanted.files)}"
        )
    storage = cache_folder(options) / repo_folder_name(repo_id=repo_id, repo_type="model")
    for name in chosen:
        _fetch_blob(repo_id, files[name], storage / "blobs")
    with disable_progress_bars():
        return Path(
            snapshot_download(repo_id, cache_dir=cache_folder(options), allow_patterns=chosen)
        )


def _fetch_blob(repo_id: str, file: RepoSibling, blobs: Path) -> None:
    """Put a large file where the hub's library looks for it: on its own it cannot resume.

    Small files it fetches itself, unless it finds a damaged one.
    """
    blob = blobs / str(file.lfs.sha256 if file.lfs else file.blob_id)
    if blob.exists() and file.size is not None and not _has_size(blob, file.size):
        blob.unlink()
    if file.lfs:
        url = hf_hub_url(repo_id, file.rfilename)
        download(url, blob, sha256=file.lfs.sha256, headers=build_hf_headers())


@contextmanager
def _plain_errors(repo_id: str) -> Iterator[None]:
    try:
        yield
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"{repo_id} asks for consent: accept its terms on {constants.ENDPOINT}/{repo_id}, then "
            "log in with `hf auth login` or set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(
            f"the hub has no repository {repo_id}, or it is private: check the name, or log in "
            "with `hf auth login`"
        ) from error
    except HFValidationError as error:
        raise ModelUnavailable(f"{repo_id!r} is no repository of the hub: {error}") from error
    except (httpx2.HTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelUnavailable(
            f"{repo_id} cannot be fetched from {constants.ENDPOINT} ({_first_line(error)}): check "
            "the network, or load the model from a folder"
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
