"""Backup, wipe, restore: nobody who asks can tell."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text

from app.backup.manifest import KeptVersions
from app.config import Settings
from app.jobs.schemas import JobState
from app.jobs.tables import Job
from app.suggest.tables import QueryCount, QueryMark, QuerySalt
from indexer.catalog.tables import Base, Collection, Image, Server
from indexer.versions.manifest import MilvusPlace, read_manifest, write_manifest
from tests.app.backup.conftest import (
    catalog_of,
    crosswise,
    restore,
    take,
    taken_and_restored,
)
from tests.app.keys import guarded, make_key, status
from tests.app.live import URL
from tests.app.shop import at_work, collection_folder, index, opened, paint, refresh, search
from tests.app.suggest.test_suggest_api import of_app, renew
from tests.app.uploads import png, put_file, record, thumbnail_of
from tests.databases import ON_POSTGRESQL, ON_SQLITE

VERSIONS = "/v1/admin/collections/shop/versions"


def answers(settings: Settings) -> dict[str, Any]:
    """What a server says to whoever asks, but for how long it took."""
    with opened(settings) as client:
        renew(client)
        said = {text: asked(client, text=text) for text in ("red", "빨강", "gold", "신발")}
        said["filtered"] = asked(client, text="white", filter={"category": "신발"})
        said["similar"] = asked(client, image={"id": "gold"})
        said["suggestions"] = client.get("/v1/collections/shop/suggest?prefix=ㅇㄷㅎ").json()
        said["images"] = [record(client, key) for key in ("red.png", "blue.png", "gold")]
        said["collections"] = client.get("/v1/collections").json()
        said["versions"] = client.get(VERSIONS).json()
        said["thumbnails"] = [thumbnail_of(client, key) for key in ("gold", "white.png")]
    return said


def asked(client: TestClient, **request: object) -> dict[str, Any]:
    response = client.post(
        URL, json={**request, "k": 10, "facets": ["category"], "include": ["attributes"]}
    )
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    del answer["timings_ms"]
    return answer


def wiped(settings: Settings) -> None:
    """Nothing of it can be read by who answers from a restored one."""
    shutil.rmtree(settings.data_dir)
    with catalog_of(settings) as session:
        Base.metadata.drop_all(session.connection())


def test_a_restored_shop_answers_as_it_did(
    past: Settings, anywhere: Settings, destination: Path
) -> None:
    key = make_key(past, "read")
    before = answers(past)
    assert [hit["id"] for hit in before["red"]["hits"]] == [
        "red.png",
        "gold",
        "white.png",
        "blue.png",
    ]
    take(past, destination)
    wiped(past)
    restore(destination, anywhere)
    assert answers(anywhere) == before
    with opened(guarded(anywhere)) as client:
        assert status(client, key.key) == 200
        assert status(client, f"{key.key[:-1]}x") == 401


@crosswise
def test_a_restored_shop_goes_on_where_it_was(
    past: Settings, anywhere: Settings, destination: Path, photos: Path
) -> None:
    """What was deleted stays deleted, ids are not given out again, and there is a way back."""
    take(past, destination)
    taken_ids = ids_of(past)
    restore(destination, anywhere)
    paint(photos / "black.png", "black")
    assert index(anywhere, photos).images.embedded == 1
    with opened(anywhere) as client:
        assert set(search(client, text="red")) == {
            "red.png",
            "blue.png",
            "white.png",
            "gold",
            "black.png",
        }
        put_file(client, "green.png", png("green"))
        older = client.get(VERSIONS).json()[-1]["name"]
        assert client.post(f"{VERSIONS}/{older}/activate").status_code == 200
        refresh(client)
        assert search(client, text="green", k=1) == ["green.png"]
    new = ids_of(anywhere).keys() - taken_ids.keys()
    assert {ids_of(anywhere)[key] for key in new} == {7, 8}


@ON_SQLITE
def test_nothing_is_at_work_in_a_restored_catalog(
    past: Settings, elsewhere: Settings, destination: Path, photos: Path
) -> None:
    """No job that no worker has, no server that is waited for, no collection that is held."""
    with catalog_of(past) as session:
        owner = session.scalars(select(Collection)).one()
        for number, state in enumerate((JobState.SUCCEEDED, JobState.RUNNING)):
            job = Job(id=f"job-{number}", collection_id=owner.id, kind="fold", request={})
            job.state, job.owner, job.result = state, "host/1/2", None
            session.add(job)
        session.add(Server(id="gone", host="host", pid=1))
    with at_work(past):
        take(past, destination)
    restore(destination, elsewhere)
    with catalog_of(elsewhere) as session:
        finished, unfinished = session.scalars(select(Job).order_by(Job.id))
        assert (finished.state, finished.error) == (JobState.SUCCEEDED, None)
        assert (unfinished.state, unfinished.owner) == (JobState.FAILED, None)
        assert "backup" in str(unfinished.error)
        assert session.scalars(select(Server)).all() == []
    assert index(elsewhere, photos).published


@ON_SQLITE
def test_what_ties_queries_to_clients_is_in_no_backup(
    past: Settings, elsewhere: Settings, destination: Path
) -> None:
    """It is promised to be gone when the day is over."""
    with opened(past.model_copy(update={"query_log": "on"})) as client:
        for address in ("192.0.2.1", "192.0.2.2"):
            of_app(client).record("shop", "운동화", address)
    restored = taken_and_restored(past, destination, elsewhere)
    assert counts(past, QueryMark, QuerySalt) == [2, 1]
    assert counts(restored, QueryMark, QuerySalt, QueryCount) == [0, 0, 1]


@ON_POSTGRESQL
def test_times_are_the_same_whatever_zone_a_database_has(
    past: Settings, elsewhere: Settings, destination: Path
) -> None:
    joined = "&" if "?" in past.database_url else "?"
    url = f"{past.database_url}{joined}options=-c%20timezone%3DAsia/Seoul"
    in_seoul = past.model_copy(update={"database_url": url})
    with catalog_of(in_seoul) as session:
        assert session.scalar(text("SHOW timezone")) == "Asia/Seoul"
    taken_and_restored(in_seoul, destination, elsewhere)
    assert times(elsewhere) == times(past)


@ON_SQLITE
@pytest.mark.parametrize("kept", [KeptVersions.ACTIVE, KeptVersions.NONE])
def test_versions_that_were_left_out_are_built_again(
    past: Settings, elsewhere: Settings, destination: Path, photos: Path, kept: KeptVersions
) -> None:
    """Of shards: no picture is embedded again."""
    taken = take(past, destination, kept)
    assert taken.manifest.rows["index_versions"] == (1 if kept == KeptVersions.ACTIVE else 0)
    restore(destination, elsewhere)
    summary = index(elsewhere, photos)
    assert (summary.published, summary.images.embedded, summary.total) == (True, 0, 4)
    with opened(elsewhere) as client:
        assert search(client, text="gold", k=1) == ["gold"]


@ON_SQLITE
def test_a_version_in_milvus_is_built_again(
    past: Settings, elsewhere: Settings, destination: Path, photos: Path
) -> None:
    """Its vectors are not in the data folder; the older version's are."""
    with catalog_of(past) as session:
        active = session.scalars(select(Collection)).one().active_version
        assert active is not None
        folder = collection_folder(past).version(active.name)
    place = MilvusPlace(collection="shop", nlist=0)
    write_manifest(folder, read_manifest(folder).model_copy(update={"milvus": place}))
    assert take(past, destination).manifest.rows["index_versions"] == 1
    restore(destination, elsewhere)
    with catalog_of(elsewhere) as session:
        assert session.scalars(select(Collection)).one().active_version is None
    summary = index(elsewhere, photos)
    assert (summary.published, summary.images.embedded, summary.total) == (True, 0, 4)


def ids_of(settings: Settings) -> dict[str, int]:
    with catalog_of(settings) as session:
        return dict(session.execute(select(Image.key, Image.id)).all())


def counts(settings: Settings, *tables: type[Base]) -> list[int]:
    with catalog_of(settings) as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def times(settings: Settings) -> list[datetime]:
    with catalog_of(settings) as session:
        return [*session.scalars(select(Image.updated_at).order_by(Image.id))]
