"""Where pictures come from. One file a kind of source; `base` is what they agree on."""

from indexer.errors import SourceError
from indexer.sources.base import ImageSource
from indexer.sources.catalogue import CatalogueSource, canonical
from indexer.sources.folder import FolderSource
from indexer.sources.locations import (
    OBJECT_STORES,
    UNDERSTOOD,
    local_path,
    require_understood,
    scheme_of,
    suffix_of,
)
from indexer.sources.object_folder import ObjectFolderSource
from indexer.sources.options import SourceOptions
from indexer.sources.tables import SUFFIXES
from indexer.sources.webdataset.source import WebDatasetSource

_DEFAULTS = SourceOptions()


def source_of(uri: str, *, options: SourceOptions = _DEFAULTS) -> ImageSource:
    """The source at `uri`, a path or a URI, which may be what a source calls itself.

    A name without a suffix that is known is a folder. Raises SourceError.
    """
    require_understood(uri)
    try:
        return _by_name(uri, options)
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise SourceError(f"cannot look at {uri!r}: {error.strerror}") from error


def _by_name(uri: str, options: SourceOptions) -> ImageSource:
    scheme, suffix = scheme_of(uri), suffix_of(uri)
    if scheme == "file" and local_path(uri).is_dir():
        return FolderSource(local_path(uri), max_bytes=options.max_bytes)
    if suffix in {".tar", ".tar.gz"}:
        return WebDatasetSource(canonical(uri), options)
    if suffix in SUFFIXES:
        return CatalogueSource(canonical(uri), options)
    if scheme in OBJECT_STORES:
        return ObjectFolderSource(uri, options)
    if scheme == "file" and not local_path(uri).exists():
        return FolderSource(local_path(uri), max_bytes=options.max_bytes)
    raise SourceError(f"cannot tell what {uri!r} is; {UNDERSTOOD}")
