"""One file over HTTP: resumed where it broke, checked when it is whole, never half there."""

import errno
import hashlib
import shutil
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import httpx2
from filelock import FileLock
from tqdm import tqdm

from models.errors import ModelUnavailable

_TRIES = 5  # in a row that bring nothing
_PAUSE = 1.0  # seconds between two tries
_TIMEOUT = 20.0  # seconds without a byte


def download(
    url: str, target: Path, *, sha256: str, headers: Mapping[str, str] | None = None
) -> None:
    """Bring `url` to `target`, which appears whole and checked, or not at all.

    What arrived before a break stays beside it as `.partial`, for the next call to go on
    from. `sha256` may be the beginning of the digest. Raises ModelUnavailable.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with FileLock(target.with_name(f"{target.name}.lock")):
        if target.exists():
            return
        try:
            _fetch(url, partial, headers or {})
        except httpx2.HTTPStatusError as error:
            raise ModelUnavailable(
                f"{url}: the server answered {error.response.status_code}"
            ) from None
        except httpx2.TransportError as error:
            raise ModelUnavailable(
                f"{url}: the download broke off ({error}); what arrived is kept, run again to go on"
            ) from error
        except OSError as error:
            raise _disk_trouble(error, target.parent) from error
        if not sha256_of(partial).startswith(sha256):
            partial.unlink()
            raise ModelUnavailable(f"{url}: what arrived is damaged (checksum); run again")
        partial.replace(target)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, partial: Path, headers: Mapping[str, str]) -> None:
    misses = 0
    with httpx2.Client(follow_redirects=True, timeout=_TIMEOUT) as client:
        while True:
            before = _size(partial)
            try:
                return _append(client, url, partial, headers)
            except httpx2.TransportError:
                misses = misses + 1 if _size(partial) == before else 0
                if misses == _TRIES:
                    raise
                time.sleep(_PAUSE)


def _append(client: httpx2.Client, url: str, partial: Path, headers: Mapping[str, str]) -> None:
    """Fetch what `partial` lacks; all of it, where the server does not serve ranges."""
    have = _size(partial)
    wanted = {**headers, "Accept-Encoding": "identity", "Range": f"bytes={have}-"}
    with client.stream("GET", url, headers=wanted) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # it was whole already; the checksum will tell
        response.raise_for_status()
        resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
        have = have if resumed else 0
        to_come = int(response.headers.get("Content-Length", 0))
        _require_room(to_come, partial.parent)
        with (
            partial.open("ab" if resumed else "wb") as file,
            tqdm(
                desc=Path(response.url.path).name,
                total=have + to_come or None,
                initial=have,
                unit="B",
                unit_scale=True,
                disable=None,  # shown on a terminal only
            ) as bar,
        ):
            for block in response.iter_raw():
                file.write(block)
                bar.update(len(block))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _require_room(size: int, folder: Path) -> None:
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, f"{size / 1e9:.2f} GB are to come")


def _disk_trouble(error: OSError, folder: Path) -> ModelUnavailable:
    if error.errno != errno.ENOSPC:
        return ModelUnavailable(f"{folder}: the weights cannot be stored: {error}")
    free = shutil.disk_usage(folder).free / 1e9
    return ModelUnavailable(
        f"{folder}: no room for the weights ({error.strerror}; {free:.2f} GB are free)"
    )
