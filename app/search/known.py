"""What searches need of the collections, in memory: as the catalog had it at the last look."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.search.answers import Answers
from app.search.rows import ImageRows
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection


@dataclass(frozen=True)
class KnownCollection:
    id: int
    name: str
    recall: float
    """The recall@10 that its searches aim at where a request does not say."""
    change_number: int
    active_version_id: int | None
    rows: ImageRows
    rows_with_attributes: ImageRows
    answers: Answers


class KnownCollections:
    """By name. Safe to use from several threads at once, as long as one of them updates."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, KnownCollection] = {}

    def get(self, name: str) -> KnownCollection | None:
        return self._known.get(name)

    def look_up(self, name: str) -> KnownCollection:
        """Blocking, for a name that the last look did not show. Raises UnknownCollection.

        It is not remembered: the next look will show it, or will show that it is gone again.
        """
        with self._database.read() as session:
            return self._new(repository.collection(session, name))

    def update(self, collections: Iterable[Collection]) -> None:
        """What the catalog holds now. Where something changed, rows and answers are made anew."""
        self._known = {owner.name: self._renewed(owner) for owner in collections}

    def _renewed(self, owner: Collection) -> KnownCollection:
        known = self._known.get(owner.name)
        if known is None or _answers_depend_on(known) != _answers_depend_on(owner):
            return self._new(owner)
        return known

    def _new(self, owner: Collection) -> KnownCollection:
        rows, full = (
            ImageRows(self._database, owner.id, owner.name, attributes=attributes)
            for attributes in (False, True)
        )
        return KnownCollection(
            id=owner.id,
            name=owner.name,
            recall=owner.recall,
            change_number=owner.change_number,
            active_version_id=owner.active_version_id,
            rows=rows,
            rows_with_attributes=full,
            answers=Answers(),
        )


def _answers_depend_on(
    collection: KnownCollection | Collection,
) -> tuple[int, int, int | None, float]:
    """Publishing deletes the images that its version lost, without another change number."""
    return (
        collection.id,
        collection.change_number,
        collection.active_version_id,
        collection.recall,
    )
