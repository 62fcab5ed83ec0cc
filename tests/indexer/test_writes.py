"""What the API writes: exactly what was asked for, once, and never half of it."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from indexer.attributes import fingerprint_of
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE, Collection, Embedding, Image, Source, Tombstone
from indexer.errors import EncoderChanged, Rejected, UnknownCollection
from indexer.live.writes import Applied, Delete, Outcome, Patch, Picture, Put, Status, Write, apply
from tests.tiny_encoder import TinyEncoder

SPEC = TinyEncoder().spec


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def put(
    key: str,
    content: str = "one",
    attributes: Mapping[str, Any] | None = None,
    *,
    uri: str | None = None,
    embedded: bool = True,
    fingerprint: str = SPEC.fingerprint,
) -> Put:
    return Put(
        key=key,
        picture=Picture(digest(content), len(content), "PNG", 40, 30),
        uri=uri or API_SOURCE + key,
        encoder_fingerprint=fingerprint,
        vector=np.full(SPEC.dim, 0.5, np.float16) if embedded else None,
        attributes=attributes,
    )


@pytest.fixture
def owner(database: Database) -> Collection:
    return new_collection(database, "shop")


def new_collection(database: Database, name: str) -> Collection:
    with database.write() as session:
        return repository.add_collection(session, name, "tiny", SPEC, 0.95)


def do(database: Database, owner: Collection, *writes: Write) -> list[Outcome]:
    with database.write() as session:
        return apply(session, owner, writes)


def statuses(database: Database, owner: Collection, *writes: Write) -> list[str]:
    outcomes = do(database, owner, *writes)
    return [each.status if isinstance(each, Applied) else each.reason for each in outcomes]


def row(database: Database, owner: Collection, key: str) -> Image | None:
    with database.read() as session:
        return repository.image(session, owner.id, key)


def state(image: Image | None) -> dict[str, Any]:
    assert image is not None
    return {name: value for name, value in vars(image).items() if not name.startswith("_")}


def change_number(database: Database, owner: Collection) -> int:
    with database.read() as session:
        return session.get_one(Collection, owner.id).change_number


def test_a_put_is_a_row_with_all_that_is_known_of_the_picture(
    database: Database, owner: Collection
) -> None:
    (outcome,) = do(database, owner, put("키", "one", {"price": 3}, uri="https://shop.example/a"))
    assert isinstance(outcome, Applied)
    assert outcome.status is Status.CREATED
    image = row(database, owner, "키")
    assert state(image) | {
        "uri": "https://shop.example/a",
        "content_hash": digest("one"),
        "file_size": 3,
        "format": "PNG",
        "width": 40,
        "height": 30,
        "attributes": {"price": 3},
        "stamp": None,
        "change_number": change_number(database, owner),
    } == state(image)
    assert state(outcome.image) == state(image)
    with database.read() as session:
        embedding = session.scalars(select(Embedding)).one()
    assert embedding.vector is not None
    assert np.frombuffer(embedding.vector, "<f2").tolist() == [0.5] * SPEC.dim


def test_the_same_put_changes_nothing_at_all(database: Database, owner: Collection) -> None:
    do(database, owner, put("a", "one", {"n": 1}))
    before = state(row(database, owner, "a")), change_number(database, owner)
    for again in (put("a", "one", {"n": 1}), put("a", "one"), put("a", "one", embedded=False)):
        assert statuses(database, owner, again) == ["unchanged"]
    assert (state(row(database, owner, "a")), change_number(database, owner)) == before


def test_values_that_python_takes_for_equal_are_not(database: Database, owner: Collection) -> None:
    values = [1, 1.0, True, "1", ["1"]]
    for old, new in product(values, values):
        for write in (put("a", attributes={"n": new}), Patch.of("a", {"n": new})):
            do(database, owner, put("a", attributes={"n": old}))
            number = change_number(database, owner)
            (outcome,) = statuses(database, owner, write)
            image = row(database, owner, "a")
            assert image is not None
            assert repr(image.attributes) == repr({"n": new})
            assert (outcome == "unchanged") is (type(old) is type(new))
            assert (change_number(database, owner) == number) is (outcome == "unchanged")


def test_another_picture_keeps_the_id_and_the_attributes(
    database: Database, owner: Collection
) -> None:
    do(database, owner, put("a", "one", {"n": 1}))
    before = state(row(database, owner, "a"))
    assert statuses(database, owner, put("a", "two")) == ["replaced"]
    after = state(row(database, owner, "a"))
    assert after["id"] == before["id"]
    assert after["content_hash"] == digest("two")
    assert after["attributes"] == {"n": 1}
    assert after["created_at"] == before["created_at"]
    assert after["updated_at"] > before["updated_at"]
    assert after["change_number"] > before["change_number"]


def test_a_patch_changes_what_it_names(database: Database, owner: Collection) -> None:
    do(database, owner, put("a", attributes={"keep": "k", "change": 1, "drop": True}))
    patch = Patch.of("a", {"change": 2, "drop": None, "new": ["x"], "absent": None})
    assert statuses(database, owner, patch) == ["patched"]
    image = row(database, owner, "a")
    assert image is not None
    assert image.attributes == {"keep": "k", "change": 2, "new": ["x"]}
    assert statuses(database, owner, patch) == ["unchanged"]
    assert statuses(database, owner, Patch.of("b", {"x": 1})) == ["missing"]


@pytest.mark.parametrize(
    "patch",
    [
        {"x": float("nan")},
        {"x": {"y": 1}},
        {"x": [1]},
        {"x": "\ud800"},
        {"x": "\0"},
        {"x": 2**63},
        {"": 1},
        {"any": 1},
        {"not": None},
        {"x" * 65: 1},
        {"\uac00": 1, "\u1100\u1161": None},
    ],
)
def test_a_patch_is_judged_as_a_catalogue_is(patch: dict[str, object]) -> None:
    with pytest.raises(Rejected, match="bad_attributes"):
        Patch.of("a", patch)


def test_what_becomes_too_much_is_refused_and_bars_nobody_else(
    database: Database, owner: Collection
) -> None:
    large = {f"n{number}": "x" * 1000 for number in range(10)}
    do(database, owner, put("a", attributes=large))
    more = Patch.of("a", {f"m{number}": "x" * 1000 for number in range(10)})
    assert statuses(database, owner, put("b"), more, put("c")) == [
        "created",
        "bad_attributes",
        "created",
    ]
    image = row(database, owner, "a")
    assert image is not None
    assert image.attributes == large


def test_a_deleted_image_is_gone_for_good(database: Database, owner: Collection) -> None:
    do(database, owner, put("a"))
    image = row(database, owner, "a")
    assert image is not None
    assert statuses(database, owner, Delete("a"), Delete("a")) == ["deleted", "deleted"]
    number = change_number(database, owner)
    assert statuses(database, owner, Delete("a")) == ["deleted"], "as a client asks that lost us"
    assert statuses(database, owner, Delete("never")) == ["missing"]
    assert change_number(database, owner) == number
    assert row(database, owner, "a") is None
    with database.read() as session:
        grave = session.scalars(select(Tombstone)).one()
    assert (grave.image_id, grave.key, grave.is_final) == (image.id, "a", True)
    assert grave.change_number == number


def test_what_its_source_lost_was_not_deleted(database: Database, owner: Collection) -> None:
    do(database, owner, put("a"))
    with database.write() as session:
        image = repository.image(session, owner.id, "a")
        assert image is not None
        number = repository.bump_change_number(session, owner.id)
        repository.bury(session, [image.id], number, is_final=False)
    assert statuses(database, owner, Delete("a")) == ["missing"]


def test_a_new_image_of_an_old_key_is_another_image(database: Database, owner: Collection) -> None:
    do(database, owner, put("a", attributes={"n": 1}))
    old = row(database, owner, "a")
    assert statuses(database, owner, Delete("a"), put("a")) == ["deleted", "created"]
    new = row(database, owner, "a")
    assert old is not None
    assert new is not None
    assert new.id > old.id
    assert new.attributes == {}


def test_writes_of_one_transaction_see_those_before_them(
    database: Database, owner: Collection
) -> None:
    number = change_number(database, owner)
    assert statuses(
        database,
        owner,
        Patch.of("a", {"n": 0}),
        put("a", "one", {"n": 1}),
        Patch.of("a", {"m": 2}),
        put("a", "one"),
        put("a", "two"),
        Delete("a"),
        Patch.of("a", {"n": 3}),
        Delete("a"),
        put("a", "one", embedded=False),
        Delete("b"),
    ) == [
        *("missing", "created", "patched", "unchanged", "replaced"),
        *("deleted", "missing", "deleted", "created", "missing"),
    ]
    image = row(database, owner, "a")
    assert image is not None
    assert (image.content_hash, image.attributes) == (digest("one"), {})
    assert change_number(database, owner) == number + 1, "one for all"


def test_one_content_has_one_embedding(database: Database, owner: Collection) -> None:
    do(database, owner, put("a", "one"), put("b", "one"))
    do(database, owner, put("c", "one", embedded=False), put("d", "two"))
    with database.read() as session:
        assert session.scalars(select(func.count()).select_from(Embedding)).one() == 2


def test_an_image_of_a_folder_becomes_the_apis(database: Database, owner: Collection) -> None:
    with database.write() as session:
        session.add(
            Image(
                collection_id=owner.id,
                key="red.png",
                source_id=repository.source(session, owner.id, "file:///photos").id,
                uri="file:///photos/red.png",
                stamp="1",
                file_size=3,
                content_hash=digest("one"),
                format="PNG",
                width=40,
                height=30,
                attributes={"n": 1},
                attributes_given="x",
                change_number=0,
            )
        )
    before = row(database, owner, "red.png")
    assert statuses(database, owner, put("red.png", "one")) == ["replaced"]
    after = row(database, owner, "red.png")
    assert before is not None
    assert after is not None
    assert (after.id, after.attributes) == (before.id, {"n": 1})
    assert (after.uri, after.stamp, after.attributes_given) == ("api:red.png", None, None)
    with database.read() as session:
        assert session.get_one(Source, after.source_id).uri == API_SOURCE


@pytest.mark.parametrize(
    "stale", [put("b", "two", fingerprint="0" * 64), put("b", "two", embedded=False)]
)
def test_no_image_is_without_an_embedding_that_can_be_searched(
    database: Database, owner: Collection, stale: Put
) -> None:
    with pytest.raises(EncoderChanged):
        do(database, owner, put("a"), stale, Delete("a"))
    assert row(database, owner, "a") is None, "nothing of it was committed"
    assert change_number(database, owner) == 0


def test_an_image_that_lost_its_embedding_is_seen_again(
    database: Database, owner: Collection
) -> None:
    do(database, owner, put("a"))
    with database.write() as session:
        session.execute(Embedding.__table__.delete())
    number = change_number(database, owner)
    assert statuses(database, owner, put("a")) == ["replaced"]
    image = row(database, owner, "a")
    assert image is not None
    assert image.change_number > number, "who follows the collection's changes hears of it"


def test_a_collection_that_is_gone_takes_nothing(database: Database, owner: Collection) -> None:
    with database.write() as session:
        repository.delete_collection(session, owner.id)
    new_collection(database, "shop")
    with pytest.raises(UnknownCollection):
        do(database, owner, put("a"))


def test_many_writers_lose_nothing(database: Database, owner: Collection) -> None:
    def write(number: int) -> list[str]:
        own, shared = put(f"own-{number}", str(number)), put("shared", f"shared-{number}")
        return statuses(database, owner, own, shared)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(write, range(24)))
    assert [own for own, _ in outcomes] == ["created"] * 24
    assert sorted(shared for _, shared in outcomes) == ["created"] + ["replaced"] * 23
    with database.read() as session:
        numbers = session.scalars(select(Image.change_number).order_by(Image.change_number)).all()
    assert change_number(database, owner) == 24
    assert numbers == [*range(1, 25), 24], "none is given out twice, but within a transaction"


KEYS = st.sampled_from(["a", "b", "가/나.jpg"])
CONTENTS = st.sampled_from(["one", "two"])
VALUES = st.sampled_from([0, 1, True, 1.0, "x", ["x"]])
NAMES = st.sampled_from(["m", "n"])
WRITES = st.one_of(
    st.builds(put, KEYS, CONTENTS, st.none() | st.dictionaries(NAMES, VALUES)),
    st.builds(Patch.of, KEYS, st.dictionaries(NAMES, st.none() | VALUES)),
    st.builds(Delete, KEYS),
)


def shown(content_hash: str, attributes: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Such that 1, 1.0 and True differ, and the order of fields does not matter."""
    return content_hash, sorted(map(repr, attributes.items()))


@dataclass
class Model:
    """The collection as a dict: key → content, attributes."""

    images: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def expected(self, write: Write) -> str:
        known = self.images.get(write.key)
        match write:
            case Put(key, picture, attributes=given):
                old = known[1] if known else {}
                self.images[key] = picture.content_hash, dict(old if given is None else given)
                if known is None:
                    return "created"
                return "unchanged" if shown(*known) == shown(*self.images[key]) else "replaced"
            case Patch(key, changed, removed):
                if known is None:
                    return "missing"
                kept = {name: value for name, value in known[1].items() if name not in removed}
                merged = {**kept, **changed}
                self.images[key] = known[0], merged
                return "unchanged" if shown(*known) == shown(known[0], merged) else "patched"
            case Delete(key):
                if self.images.pop(key, None):
                    self.deleted.add(key)
                return "deleted" if key in self.deleted else "missing"


class Writing(RuleBasedStateMachine):
    """Transactions of any writes in any order do what they would do to a dict."""

    def __init__(self, database: Database, new: Callable[[], Collection]) -> None:
        super().__init__()
        self.database, self.owner, self.model = database, new(), Model()
        self.ids: set[int] = set()

    @rule(writes=st.lists(WRITES, max_size=6))
    def write(self, writes: list[Write]) -> None:
        before = change_number(self.database, self.owner)
        expected = [self.model.expected(write) for write in writes]
        assert statuses(self.database, self.owner, *writes) == expected
        changed = {"created", "replaced", "patched"} & set(expected)
        if changed:
            assert change_number(self.database, self.owner) == before + 1

    @invariant()
    def is_as_the_model(self) -> None:
        with self.database.read() as session:
            owned = select(Image).where(Image.collection_id == self.owner.id)
            images = session.scalars(owned).all()
            graves = session.scalars(
                select(Tombstone).where(Tombstone.collection_id == self.owner.id)
            ).all()
            embeddings = session.scalars(
                select(Embedding.content_hash).where(Embedding.collection_id == self.owner.id)
            ).all()
            number = session.get_one(Collection, self.owner.id).change_number
        assert {image.key: shown(image.content_hash, image.attributes) for image in images} == {
            key: shown(*image) for key, image in self.model.images.items()
        }
        assert {image.content_hash for image in images} <= set(embeddings)
        assert all(each.change_number <= number for each in [*images, *graves])
        assert {grave.key for grave in graves} == self.model.deleted
        assert not {grave.image_id for grave in graves} & {image.id for image in images}


def test_any_writes_do_what_they_would_do_to_a_dict(database: Database) -> None:
    names = iter(range(10_000))

    def machine() -> Writing:
        return Writing(database, lambda: new_collection(database, f"c{next(names)}"))

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_patch_remembers_what_the_source_said_though_nobody_noted_it(
    database: Database, owner: Collection
) -> None:
    """Of images that were indexed by an earlier release: their next run would undo the patch."""
    with database.write() as session:
        source = repository.source(session, owner.id, "file:///photos")
        session.add(
            Image(
                collection_id=owner.id,
                key="red.png",
                source_id=source.id,
                uri="file:///photos/red.png",
                file_size=3,
                content_hash=digest("one"),
                format="PNG",
                width=40,
                height=30,
                attributes={"n": 1},
                change_number=0,
            )
        )
    for number in (2, 3):
        assert statuses(database, owner, Patch.of("red.png", {"n": number})) == ["patched"]
    after = row(database, owner, "red.png")
    assert after is not None
    assert after.attributes_given == fingerprint_of({"n": 1})
