"""Collections of Milvus as versions come and go: dropped, swept, named by the alias."""

import logging
from collections.abc import Sequence

from indexer.backends.milvus.connection import BUILD_SECONDS, Milvus
from indexer.backends.milvus.names import alias_of, is_of, name_of
from indexer.errors import IndexAway

logger = logging.getLogger(__name__)


def drop(milvus: Milvus, collection: str) -> None:
    """Nothing, where there is none. Raises IndexAway."""
    logger.info("dropping %s of Milvus", collection)
    milvus.call("drop_collection", collection, seconds=BUILD_SECONDS)


def held(milvus: Milvus, folder: str) -> list[str]:
    """The collections of Milvus that are versions of the collection with that folder; none, where
    it does not say.
    """
    try:
        there = milvus.call("list_collections")
    except IndexAway as error:
        logger.warning("cannot see what Milvus holds of %s: %s", folder, error)
        return []
    return sorted(collection for collection in there if is_of(folder, collection))


def sweep(milvus: Milvus, folder: str, there: Sequence[str], kept: Sequence[str]) -> None:
    """Of those that were there drop all but the versions that are kept. What cannot be dropped now
    is when the next run sweeps.
    """
    named = {name_of(folder, version) for version in kept}
    try:
        for collection in there:
            if collection not in named:
                drop(milvus, collection)
    except IndexAway as error:
        logger.warning("cannot sweep what is left of %s in Milvus: %s", folder, error)


def release(milvus: Milvus, folder: str, idle: Sequence[str]) -> None:
    """Out of Milvus's memory, what no server has open: who opens it has it loaded again."""
    names = {name_of(folder, version) for version in idle}
    try:
        for collection in names.intersection(held(milvus, folder)):
            milvus.call("release_collection", collection)
    except IndexAway as error:
        logger.warning("cannot release versions of %s in Milvus: %s", folder, error)


def forget(milvus: Milvus, folder: str) -> None:
    """All of a collection that was deleted."""
    point(milvus, folder, None)
    sweep(milvus, folder, held(milvus, folder), [])


def point(milvus: Milvus, folder: str, version: str | None) -> None:
    """Have the alias name the active version; None: it is not in Milvus, and there is no alias.

    Nothing that is served depends on it: a failure is logged, and the next run mends it.
    """
    alias, there = alias_of(folder), held(milvus, folder)
    wanted = None if version is None else name_of(folder, version)
    wanted = wanted if wanted in there else None
    try:
        target = _target(milvus, alias, there)
        if target == wanted:
            return
        if wanted is None:
            milvus.call("drop_alias", alias)
        else:
            milvus.call("create_alias" if target is None else "alter_alias", wanted, alias)
    except IndexAway as error:
        logger.warning("cannot point the alias %s of Milvus: %s", alias, error)


def _target(milvus: Milvus, alias: str, there: Sequence[str]) -> str | None:
    """Which of these it names; None: none. Asked by collection: an alias that there is not is an
    error.
    """
    for collection in there:
        if alias in milvus.call("list_aliases", collection)["aliases"]:
            return collection
    return None
