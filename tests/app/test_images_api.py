"""Records and thumbnails: what the page shows, and nothing that it must not."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageCms, ImageDraw

from app.config import Settings
from tests.app.shop import assert_problem, image_url, index, paint, refresh, search
from tests.databases import ON_SQLITE


def pixels(client: TestClient, key: str, size: int = 320) -> Image.Image:
    response = client.get(image_url(key, "/thumbnail"), params={"size": size})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/webp"
    image = Image.open(BytesIO(response.content))
    image.load()
    return image


@pytest.fixture
def album(client: TestClient, settings: Settings, photos: Path) -> TestClient:
    """`wide.jpg` is 2000 × 500; `turned.jpg`, stored lying on its side, has all metadata."""
    paint(photos / "wide.jpg", "red", (2000, 500))
    lying = Image.new("RGB", (800, 400), "white")
    ImageDraw.Draw(lying).rectangle((0, 0, 400, 400), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise: red comes to lie on top
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>secret</x:xmpmeta>"
    lying.save(photos / "turned.jpg", exif=exif, icc_profile=profile, xmp=xmp, comment=b"secret")
    index(settings, photos)
    refresh(client)
    return client


def test_a_record_says_what_the_picture_is(album: TestClient) -> None:
    record = album.get(image_url("turned.jpg")).json()
    assert record["id"] == "turned.jpg"
    assert (record["width"], record["height"]) == (400, 800), "upright"
    assert record["format"] == "JPEG"
    assert record["file_size"] > 0
    assert record["attributes"] == {}
    assert record["thumbnail"] == "/v1/collections/shop/images/turned.jpg/thumbnail"
    assert record["created_at"].endswith("Z")


@pytest.mark.parametrize(("size", "shape"), [(320, (320, 80)), (1280, (1280, 320))])
def test_a_thumbnail_is_as_large_as_asked_for(
    album: TestClient, size: int, shape: tuple[int, int]
) -> None:
    assert pixels(album, "wide.jpg", size).size == shape


def test_a_small_picture_is_not_blown_up(album: TestClient) -> None:
    assert pixels(album, "red.png", 1280).size == (40, 30)


@ON_SQLITE
@pytest.mark.parametrize("size", ["0", "321", "-320", "big", "100000"])
def test_other_sizes_are_refused(album: TestClient, size: str) -> None:
    response = album.get(image_url("red.png", "/thumbnail"), params={"size": size})
    assert "query.size" in assert_problem(response, 422, "invalid_request")


def test_a_thumbnail_is_upright_and_tells_nothing_else(album: TestClient) -> None:
    image = pixels(album, "turned.jpg")
    assert image.size == (160, 320)
    top, bottom = image.convert("RGB").getpixel((80, 40)), image.convert("RGB").getpixel((80, 280))
    assert top[1] < 60, "red"
    assert bottom[1] > 200, "white"
    assert not image.getexif()
    assert not {"icc_profile", "xmp", "exif", "comment"} & image.info.keys()


def test_a_browser_that_has_it_is_told_so(album: TestClient) -> None:
    url = image_url("red.png", "/thumbnail")
    first = album.get(url)
    tag = first.headers["etag"]
    assert first.headers["x-content-type-options"] == "nosniff"
    assert "private" in first.headers["cache-control"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = album.get(url, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert album.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert album.get(url, params={"size": 1280}).headers["etag"] != tag


def test_head_answers_like_get_without_the_picture(album: TestClient) -> None:
    url = image_url("red.png", "/thumbnail")
    got, head = album.get(url), album.head(url)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == got.headers[name]


def test_a_thumbnail_outlives_its_picture_one_never_made_does_not(
    album: TestClient, photos: Path
) -> None:
    pixels(album, "red.png")
    shutil.rmtree(photos)
    pixels(album, "red.png")
    for key, size in (("red.png", 1280), ("blue.png", 320)):
        response = album.get(image_url(key, "/thumbnail"), params={"size": size})
        assert "no longer there" in assert_problem(response, 404, "not_found")


def test_a_changed_picture_is_not_shown_as_the_one_that_was_indexed(
    album: TestClient, photos: Path
) -> None:
    paint(photos / "red.png", "black")
    response = album.get(image_url("red.png", "/thumbnail"))
    assert "changed" in assert_problem(response, 404, "not_found")


def test_a_link_out_of_the_folder_that_came_later_is_not_followed(
    album: TestClient, photos: Path, tmp_path: Path
) -> None:
    shutil.move(photos / "red.png", tmp_path / "outside.png")
    (photos / "red.png").symlink_to(tmp_path / "outside.png")
    assert_problem(album.get(image_url("red.png", "/thumbnail")), 404, "not_found")


def test_many_asking_for_one_thumbnail_all_get_it(album: TestClient, settings: Settings) -> None:
    url = image_url("wide.jpg", "/thumbnail")
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: album.get(url), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len([*settings.data_dir.glob("thumbnails/*/*"), *settings.data_dir.glob(".*")]) == 1


HOSTILE = [
    "../secret.png",
    "../../photos/red.png",
    "..%2fsecret.png",
    "%2e%2e/secret.png",
    "..\\secret.png",
    "/etc/passwd",
    "file:///etc/passwd",
    "red.png/",
    "./red.png",
    "sub/../red.png",
    ".",
]


@pytest.mark.parametrize("key", HOSTILE)
def test_no_id_reads_beyond_the_collection(album: TestClient, settings: Settings, key: str) -> None:
    paint(settings.data_dir.parent / "secret.png", "white")
    for rest in ("", "/thumbnail", "/similar"):
        for path in (quote(key, safe=""), quote(quote(key, safe=""), safe="")):
            response = album.get(f"/v1/collections/shop/images/{path}{rest}")
            assert_problem(response, 404, "not_found")


def test_a_nul_in_an_id_is_refused(album: TestClient) -> None:
    for rest in ("", "/thumbnail", "/similar"):
        response = album.get(f"/v1/collections/shop/images/red%00.png{rest}")
        assert "path.key" in assert_problem(response, 422, "invalid_request")


def test_collections_do_not_see_each_others_images(
    album: TestClient, settings: Settings, tmp_path: Path
) -> None:
    paint(tmp_path / "private" / "own.png", "red")
    index(settings, tmp_path / "private", "private")
    refresh(album)
    assert "own.png" not in search(album, text="red", k=100)
    for rest in ("", "/thumbnail", "/similar"):
        assert_problem(album.get(image_url("own.png", rest)), 404, "not_found")
        assert_problem(album.get(image_url("red.png", rest, "private")), 404, "not_found")
    assert album.get(image_url("own.png", collection="private")).status_code == 200
