"""Collections over HTTP: made, listed, shown, deleted with all that is theirs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter, ValidationError

from app.collections.schemas import CollectionName
from app.config import Settings
from tests.app.shop import assert_problem, at_work, collection_folder, image_url
from tests.app.uploads import in_base64, png
from tests.databases import ON_SQLITE

URL = "/v1/collections"


def test_a_new_collection_is_there_and_empty(client: TestClient) -> None:
    made = client.post(URL, json={"name": "shop", "model": "tiny:2", "recall": 0.9})
    assert made.status_code == 201
    view = made.json()
    assert (
        view.items()
        >= {
            "name": "shop",
            "model": "tiny:2",
            "dim": 192,
            "recall": 0.9,
            "images": 0,
            "indexed": 0,
            "change_number": 0,
            "active_version": None,
        }.items()
    )
    assert client.get(f"{URL}/shop").json() == view
    assert client.get(URL).json() == [view]


def test_what_a_request_leaves_out_comes_from_the_settings(client: TestClient) -> None:
    view = client.post(URL, json={"name": "shop"}).json()
    assert (view["model"], view["recall"]) == ("tiny", 0.95)


def test_an_indexed_collection_counts_its_images(shop: TestClient) -> None:
    view = shop.get(f"{URL}/shop").json()
    assert (view["images"], view["indexed"]) == (3, 3)
    assert view["active_version"]


def test_a_collection_says_what_it_can_be_filtered_by(client: TestClient) -> None:
    client.post(URL, json={"name": "shop"})
    attributes = {"price": 9000, "브랜드": "눈길", "tags": ["여름"], "sold_out": False}
    body = {"base64": in_base64(png("red")), "attributes": {**attributes, "added": "2024-05-01"}}
    assert client.put(image_url("a"), json=body).status_code == 201
    kinds = {"price": "number", "브랜드": "text", "tags": "list", "sold_out": "bool"}
    assert client.get(f"{URL}/shop").json()["fields"] == {**kinds, "added": "date"}
    assert client.get(URL).json()[0]["fields"] == {**kinds, "added": "date"}


@ON_SQLITE
@pytest.mark.parametrize(
    "name", ["", "Shop", "-shop", "_shop", "숍", "a b", "a/b", "..", "a\n", "x" * 65, "\ud800"]
)
def test_names_that_would_not_fit_an_address_are_refused(client: TestClient, name: str) -> None:
    content = f'{{"name": "{name}"}}'.encode("ascii", "backslashreplace").replace(b"\n", b"\\n")
    response = client.post(URL, content=content, headers={"Content-Type": "application/json"})
    assert "body.name" in assert_problem(response, 422, "invalid_request")
    with pytest.raises(ValidationError):
        TypeAdapter(CollectionName).validate_python(name)


@pytest.mark.parametrize("name", ["a", "0", "shop-2026_kr", "x" * 64])
def test_names_that_fit(client: TestClient, name: str) -> None:
    assert client.post(URL, json={"name": name}).status_code == 201
    assert client.get(f"{URL}/{name}").json()["name"] == name


def test_a_name_is_taken_once(client: TestClient) -> None:
    assert client.post(URL, json={"name": "shop"}).status_code == 201
    again = client.post(URL, json={"name": "shop"})
    assert "'shop'" in assert_problem(again, 409, "collection_exists")


def test_of_two_who_take_a_name_at_once_one_has_it(client: TestClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: client.post(URL, json={"name": "shop"}), range(8)))
    assert sorted(response.status_code for response in made) == [201] + [409] * 7


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"model": "no-such"}, "unknown_model"),
        ({"model": "tiny:99"}, "unknown_model"),
        ({"model": 7}, "invalid_request"),
        ({"recall": 0}, "invalid_request"),
        ({"recall": 1.1}, "invalid_request"),
        ({"colour": "red"}, "invalid_request"),
    ],
)
def test_what_cannot_be_made_is_not(
    client: TestClient, wrong: dict[str, object], code: str
) -> None:
    assert_problem(client.post(URL, json={"name": "shop", **wrong}), 422, code)
    assert client.get(URL).json() == []


def test_a_deleted_collection_is_gone_with_its_files_and_not_with_the_pictures(
    shop: TestClient, settings: Settings
) -> None:
    folder = collection_folder(settings).root
    assert folder.exists()
    assert shop.delete(f"{URL}/shop").status_code == 204
    assert not folder.exists()
    for gone in (
        shop.get(f"{URL}/shop"),
        shop.delete(f"{URL}/shop"),
        shop.get(f"{URL}/shop/search", params={"q": "red"}),
        shop.get(image_url("red.png")),
        shop.get(image_url("red.png", "/thumbnail")),
    ):
        assert_problem(gone, 404, "unknown_collection")
    assert len(list(settings.data_dir.parent.glob("photos/*.png"))) == 3


def test_a_collection_being_indexed_is_not_deleted_under_the_run(
    shop: TestClient, settings: Settings
) -> None:
    with at_work(settings):
        assert_problem(shop.delete(f"{URL}/shop"), 409, "collection_busy")
    assert shop.get(f"{URL}/shop").status_code == 200


def test_a_name_can_be_used_again(shop: TestClient) -> None:
    shop.delete(f"{URL}/shop")
    assert shop.post(URL, json={"name": "shop"}).status_code == 201
    assert shop.get(f"{URL}/shop/search", params={"q": "red"}).json()["hits"] == []
