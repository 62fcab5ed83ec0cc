"""A shop in Milvus answers what one in files does: after writes, absorbing, rollback, outages."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.indexing import open_indexing
from indexer.backends.milvus import connection
from indexer.backends.milvus.connection import Milvus, connect
from indexer.backends.milvus.names import alias_of
from indexer.catalog import repository
from indexer.catalog.db import Database, upgrade
from indexer.catalog.tables import IndexVersion
from indexer.errors import IndexAway
from indexer.indexing_run import IndexSummary
from indexer.live import absorb
from indexer.progress import Silent
from tests.app.command_line import runner
from tests.app.search.conftest import line, put, wares
from tests.app.shop import assert_problem, image_url, opened, refresh
from tests.indexer.pictures.hostile import write_good
from tests.tiny_encoder import TinyEncoder

URL = "/v1/collections/shop/search"
_SHADES = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}

TIE = 2e-3
ASKED: list[dict[str, Any]] = [
    {"text": "red", "k": 5},
    {"text": "green", "k": 100},
    {"text": "red", "k": 10, "filter": {"brand": "눈길"}},
    {"text": "red", "filter": {"price": {"gte": 3000, "lt": 9000}, "not": {"sold_out": True}}},
    {"text": "red", "filter": {"any": [{"tags": "신상"}, {"brand": {"exists": False}}]}},
    {"text": "blue", "filter": {"price": {"ne": 700}}, "facets": ["brand", "tags", "price"]},
    {"text": "red", "k": 4, "sort": "-price", "facets": ["product"]},
    {"text": "red", "k": 6, "group_by": "product"},
    {"text": "red", "k": 2, "diversity": 0.3},
    {"text": "red", "k": 4, "collapse_duplicates": True, "filter": {"tags": "shirt"}},
    {"image": {"id": "red-03"}, "k": 4, "include": ["attributes", "embedding"]},
]


@dataclass
class Shop:
    """A server and the worker beside it."""

    client: TestClient
    settings: Settings
    database: Database

    def index(self) -> IndexSummary:
        """What a fold does."""
        indexing = open_indexing(self.settings, self.database)
        summary = indexing.reindex("shop", TinyEncoder(), Silent(), sources=[])
        refresh(self.client)
        return summary

    def activate(self, version: str) -> None:
        open_indexing(self.settings, self.database).activate(
            "shop", version, lambda _: TinyEncoder(), Silent()
        )
        refresh(self.client)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        response = self.client.post(URL, json=request)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return {"hits": [_shown(hit) for hit in body["hits"]], "facets": body["facets"]}

    def pages(self, request: dict[str, Any]) -> list[str]:
        found, cursor = list[str](), None
        while True:
            body = self.client.post(URL, json={**request, "cursor": cursor}).json()
            found += [hit["id"] for hit in body["hits"]]
            if (cursor := body["next_cursor"]) is None:
                return found

    @property
    def delta(self) -> int:
        return int(self.client.app_state["serving"].get("shop").segments.delta.count)

    @property
    def versions(self) -> list[IndexVersion]:
        """Newest first."""
        with self.database.read() as session:
            owner = repository.collection(session, "shop")
            return list(repository.versions(session, owner.id))

    @property
    def folder(self) -> str:
        with self.database.read() as session:
            return repository.collection(session, "shop").folder


def _shown(hit: dict[str, Any]) -> dict[str, Any]:
    shown = ("id", "attributes", "embedding", "group", "duplicates")
    return {name: hit[name] for name in shown} | {"score": round(hit["score"], 3)}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    upgrade(url)
    return url


@pytest.fixture
def milvus(tmp_path: Path) -> Iterator[Milvus]:
    pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed")
    milvus = connect(connection.MilvusOptions(str(tmp_path / "milvus.db")))
    yield milvus
    milvus.close()


@pytest.fixture
def shops(tmp_path: Path, milvus: Milvus) -> Iterator[tuple[Shop, Shop]]:
    """The same wares twice, indexed: in files and in Milvus."""
    with ExitStack() as stack:
        yield tuple(  # type: ignore[misc]
            stack.enter_context(Stocked(tmp_path / name, uri))
            for name, uri in (("files", ""), ("milvus", milvus.options.uri))
        )


class Stocked:
    def __init__(self, folder: Path, uri: str) -> None:
        self._settings = Settings(
            model="tiny",
            data_dir=folder,
            database_url=f"sqlite:///{folder / 'catalog.db'}",
            milvus_uri=uri,
            switch_wait_seconds=0,
            refresh_seconds=3600,
            _env_file=None,
        )

    def __enter__(self) -> Shop:
        self._stack = ExitStack()
        self._settings.data_dir.mkdir()
        upgrade(self._settings.database_url)
        client = self._stack.enter_context(opened(self._settings))
        database = Database(self._settings.database_url)
        self._stack.callback(database.close)
        assert client.post("/v1/collections", json={"name": "shop"}).status_code == 201
        put(client, wares())
        shop = Shop(client, self._settings, database)
        shop.index()
        return shop

    def __exit__(self, *raised: object) -> None:
        self._stack.__exit__(*raised)  # type: ignore[arg-type]


def same(files: Shop, remote: Shop) -> None:
    for request in ASKED:
        theirs, ours = remote.answer(request), files.answer(request)
        if {"sort", "group_by", "diversity"} & request.keys():
            assert theirs == ours, request
        else:
            assert alike(theirs["hits"], ours["hits"]), (request, theirs, ours)
            assert theirs["facets"] == ours["facets"], request
    paged = {"text": "red", "k": 4, "filter": {"price": {"exists": True}}}
    assert remote.pages(paged) == files.pages(paged)


def alike(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    """The same hits with the same scores, in the same order but for those that score alike."""
    if [hit["score"] for hit in some] != [pytest.approx(hit["score"], abs=TIE) for hit in others]:
        return False
    score_of = {hit["id"]: hit["score"] for hit in others}
    last = others[-1]["score"] if others else 0
    return all(abs(score_of.get(hit["id"], last) - hit["score"]) <= TIE for hit in some) and all(
        strip(hit) in [strip(other) for other in others] for hit in some if hit["id"] in score_of
    )


def strip(hit: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in hit.items() if name != "score"}


def test_it_answers_alike_through_writes_absorbing_and_rollback(
    shops: tuple[Shop, Shop], milvus: Milvus
) -> None:
    files, remote = shops
    same(files, remote)
    made = remote.versions[0]
    assert made.factory == "Milvus FLAT"
    for turn in range(3):
        for shop in shops:
            written(shop.client, turn)
        same(files, remote)
        assert remote.delta > 0
        assert all(shop.index().published for shop in shops)
        assert remote.delta == 0, "what was absorbed is in memory no more"
        same(files, remote)
    assert [version.name for version in remote.versions] == [made.name], "it was absorbed in place"
    assert remote.versions[0].count == milvus.count(f"{alias_of(remote.folder)}_{_plain(made)}")
    assert not remote.index().published, "nothing has changed"


def written(client: TestClient, turn: int) -> None:
    """The same to both: a new one, changed ones, other pictures, some gone."""
    chance = np.random.default_rng(turn)
    keys = [f"red-{number:02d}" for number in range(12)]
    chance.shuffle(keys)
    shade = int(chance.integers(40, 200))
    put(
        client,
        [
            line(f"new-{shade}", (shade, 10, 10), price=shade, brand='따옴표"\\', 재고=shade > 90),
            line(keys[0], (10, shade, 200), price=1, tags=["신상", "옮김"]),
        ],
    )
    for key in keys[1:4]:
        body = {"price": shade * 10, "brand": None, f"field {shade}": "처음"}
        assert client.patch(image_url(key), json={"attributes": body}).status_code in {200, 404}
    assert client.delete(image_url(keys[4])).status_code in {204, 404}


def _plain(version: IndexVersion) -> str:
    return version.name.replace("-", "_")


def test_fields_that_came_later_are_filtered_by_after_they_were_absorbed(
    shops: tuple[Shop, Shop],
) -> None:
    _, remote = shops
    put(remote.client, [line("later", (250, 0, 0), 소재="면", 폭=3.5, 출시="2026-01-31")])
    for filter_ in ({"소재": "면"}, {"폭": {"gt": 3}}, {"출시": {"gte": "2026-01-01"}}):
        asked = {"text": "red", "filter": filter_}
        assert [hit["id"] for hit in remote.answer(asked)["hits"]] == ["later"]
    remote.index()
    assert remote.delta == 0
    for filter_ in ({"소재": "면"}, {"폭": {"gt": 3}}, {"출시": {"gte": "2026-01-01"}}):
        asked = {"text": "red", "filter": filter_}
        assert [hit["id"] for hit in remote.answer(asked)["hits"]] == ["later"]


def test_a_crash_while_absorbing_shows_nothing_and_is_made_good(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, remote = shops
    crowd = [line(f"crowd-{number:02d}", (0, 255 - number, 0)) for number in range(40)]
    for shop in shops:
        written(shop.client, 3)
        put(shop.client, crowd)  # more than were indexed, and nearer than these to "green"

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    for stage in ("_require_lease", "_wait_until_seen", "_raise_number"):
        with monkeypatch.context() as patch:
            patch.setattr(absorb, stage, die)
            with pytest.raises(Killed):
                remote.index()
        for shop in shops:  # so that no answer is one that was kept
            put(shop.client, [line(f"after{stage}", (0, 90, 90))])
        same(files, remote)
    remote.index()
    assert remote.delta == 0
    same(files, remote)


def test_no_answer_lacks_an_image_or_has_it_twice_while_it_is_absorbed(
    shops: tuple[Shop, Shop],
) -> None:
    _, remote = shops
    written(remote.client, 11)
    asked = {"text": "red", "k": 100}
    there = sorted(hit["id"] for hit in remote.answer(asked)["hits"])
    seen, over = list[list[str]](), threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            new = asked | {"k": 50 + len(seen) % 50}  # no answer that is kept
            seen.append(sorted(hit["id"] for hit in remote.answer(new)["hits"]))

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(keep_asking)
        try:
            remote.index()
        finally:
            over.set()
        asking.result()
    assert remote.delta == 0
    assert seen
    assert all(answer == there for answer in seen)


def test_a_rollback_and_moving_between_files_and_milvus(
    shops: tuple[Shop, Shop], milvus: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, remote = shops
    first = remote.versions[0].name
    monkeypatch.setattr(absorb, "_outgrows", lambda *_: True)  # so that another is built
    for shop in shops:
        written(shop.client, 5)
        shop.index()
    same(files, remote)
    second = remote.versions[0].name
    assert second != first
    for version in (first, second):
        remote.activate(version)
        same(files, remote)
        aliased = milvus.call(
            "list_aliases", f"{alias_of(remote.folder)}_{version.replace('-', '_')}"
        )
        assert aliased["aliases"] == [alias_of(remote.folder)]
    remote.settings.milvus_uri = ""
    assert remote.index().factory == "Flat", "the setting decides"
    same(files, remote)
    remote.settings.milvus_uri = milvus.options.uri
    assert remote.index().factory == "Milvus FLAT"
    same(files, remote)
    assert remote.client.delete("/v1/collections/shop").status_code == 204
    assert milvus.call("list_collections") == []


def test_an_outage_is_a_503_and_ends_by_itself(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files, remote = shops

    def away(*_: object, **__: object) -> None:
        raise IndexAway("Milvus does not answer as it should: no way to 10.1.2.3:19530")

    with monkeypatch.context() as patch:
        patch.setattr(Milvus, "call", away)
        for request in ({"text": "red"}, {"text": "red", "facets": ["brand"], "k": 1}):
            assert_problem(remote.client.post(URL, json=request), 503, "index_away")
        assert_problem(
            remote.client.get(f"{URL.removesuffix('search')}images/red-01/similar"),
            503,
            "index_away",
        )
        assert "10.1.2.3" not in remote.client.post(URL, json={"text": "red"}).text
        assert "10.1.2.3" in caplog.text, "whom it could not reach is for the log alone"
        put(remote.client, [line("meanwhile", (255, 0, 0))])
        put(files.client, [line("meanwhile", (255, 0, 0))])
    same(files, remote)
    with monkeypatch.context() as patch, opened_again(remote, patch, away) as late:
        assert_problem(late.post(URL, json={"text": "red"}), 503, "not_ready")
        patch.undo()
        refresh(late)
        assert late.post(URL, json={"text": "red"}).status_code == 200


def test_what_milvus_does_not_show_for_a_moment_is_not_built_anew(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, remote = shops
    there, call, failed = remote.versions, Milvus.call, list[str]()

    def fail_once(milvus: Milvus, method: str, *args: object, **named: Any) -> Any:
        if method == "load_collection" and not failed:
            failed.append(method)
            raise IndexAway("down for a moment")
        return call(milvus, method, *args, **named)

    monkeypatch.setattr(Milvus, "call", fail_once)
    with pytest.raises(IndexAway):
        remote.index()
    assert not remote.index().published
    assert [version.id for version in remote.versions] == [version.id for version in there]


def opened_again(remote: Shop, patch: pytest.MonkeyPatch, away: Any) -> Any:
    """A server that starts while Milvus is away."""
    patch.setattr(Milvus, "call", away)
    return opened(remote.settings)


def test_commands_tell_what_milvus_holds(
    milvus: Milvus,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("indexer.building.index_spec.MIN_IVF", 80)
    monkeypatch.setattr("indexer.building.calibrate._IMAGE_QUERIES", 16)
    monkeypatch.setenv("NOONGIL_MILVUS_URI", milvus.options.uri)
    (tmp_path / "many").mkdir()
    write_good(tmp_path / "many", 100)
    noongil = runner(settings, monkeypatch, capfd)
    assert noongil("index", str(tmp_path / "many"), "--collection", "shop").code == 0
    stats = cast("dict[str, Any]", noongil("index", "stats", "shop", "--json").json())
    assert (stats["family"], stats["images"], stats["waiting"]) == ("ivf-sq8", 100, 0)
    assert milvus.has(stats["milvus"])
    assert stats["calibration"]["text"]
    assert "Milvus IVF_SQ8, nlist 2" in noongil("versions", "list", "shop").out
    assert "1 versions" in noongil("index", "verify", "shop").err
    assert "in Milvus" in noongil("index", "recall", "shop").err
    found = cast(
        "dict[str, Any]", noongil("search", "빨강", "--collection", "shop", "--json").json()
    )
    assert len(found["hits"]) == 10
    milvus.call("drop_alias", milvus.call("list_aliases", stats["milvus"])["aliases"][0])
    milvus.call("drop_collection", stats["milvus"])
    broken = noongil("index", "verify", "shop")
    assert broken.code == 1
    assert "Milvus has no collection" in broken.err
    assert noongil("index", str(tmp_path / "many"), "--collection", "shop").code == 0, "built anew"
    anew = cast("dict[str, Any]", noongil("index", "stats", "shop", "--json").json())
    assert milvus.count(anew["milvus"]) == 100


def test_the_token_is_shown_nowhere() -> None:
    given = {"milvus_uri": "http://milvus:19530", "milvus_token": "root:geheim"}
    options = Settings.model_validate(given)
    assert "geheim" not in repr(options) + repr(options.milvus_options()) + json.dumps(
        options.model_dump(mode="json")
    )
