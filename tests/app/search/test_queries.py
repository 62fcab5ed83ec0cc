"""A query of several parts is one query: what is asked for comes nearer, what is not goes away."""

import base64

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.app.search.answers import URL, ask, ids, post
from tests.app.search.conftest import picture
from tests.app.shop import assert_problem
from tests.tiny_encoder import TinyEncoder

BLUES = {"blue", "blue-again"}


def vector_of(text: str) -> np.ndarray:
    encoder = TinyEncoder()
    return encoder.encode_tokens(encoder.tokenize([text]))[0]


def base64_of(*colour: int) -> str:
    return base64.b64encode(picture(*colour)).decode()


def test_parts_are_summed_by_weight(stall: TestClient) -> None:
    request = {
        "text": "red",
        "queries": [{"text": "blue", "weight": 2.5}, {"image": {"id": "green"}, "weight": -0.5}],
    }
    wanted = vector_of("red") + 2.5 * vector_of("blue") - 0.5 * vector_of("green")
    wanted /= np.linalg.norm(wanted)
    hits = ask(stall, **request, include=["embedding"])["hits"]
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    for hit in hits:
        vector = np.frombuffer(base64.b64decode(hit["embedding"]), "<f4")
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
        assert hit["score"] == pytest.approx(float(vector @ wanted), abs=2e-3)


def test_a_part_alone_is_the_query_itself(stall: TestClient) -> None:
    alone = ask(stall, text="red")["hits"]
    part = ask(stall, queries=[{"text": "red", "weight": 3}])["hits"]
    assert [hit["id"] for hit in part] == [hit["id"] for hit in alone]
    assert [hit["relevance"] for hit in part] == pytest.approx(
        [hit["relevance"] for hit in alone], abs=1e-3
    )


def test_away_from_something_is_a_query_too(stall: TestClient) -> None:
    farthest = ids(stall, queries=[{"text": "blue", "weight": -1}])[-2:]
    assert {*farthest} == BLUES


@pytest.mark.parametrize(
    "parts",
    [
        [{"text": "red", "weight": 1}, {"text": "red", "weight": -1}],
        [{"text": "빨강", "weight": 10}, {"text": "red", "weight": -10}],
        [{"image": {"id": "red-00"}, "weight": 2}, {"image": {"id": "red-00"}, "weight": -2}],
    ],
)
def test_parts_that_cancel_out_ask_for_nothing(
    stall: TestClient, parts: list[dict[str, object]]
) -> None:
    assert "cancel" in assert_problem(post(stall, queries=parts), 422, "invalid_request")


def test_images_that_ask_are_no_answers(stall: TestClient) -> None:
    everything = set(ids(stall, text="red"))
    assert set(ids(stall, image={"id": "red-00"})) == everything - {"red-00"}
    both = {"text": "파랑", "image": {"id": "red-00"}, "queries": [{"image": {"id": "blue"}}]}
    assert set(ids(stall, **both)) == everything - {"red-00", "blue"}


def test_pictures_from_outside_are_queries(stall: TestClient) -> None:
    assert {*ids(stall, image={"base64": base64_of(0, 0, 255)}, k=2)} == BLUES
    mixed = {"text": "red", "queries": [{"image": {"base64": base64_of(0, 0, 255)}, "weight": 9}]}
    assert ids(stall, **mixed, k=1)[0] in BLUES


def test_an_upload_is_the_same_without_base64(stall: TestClient) -> None:
    picked = {"image": ("blau.png", picture(0, 0, 255), "image/png")}
    sent = stall.post(URL, files=picked, data={"request": '{"k": 2, "filter": {"price": 700}}'})
    assert sent.status_code == 200, sent.text
    assert [hit["id"] for hit in sent.json()["hits"]] == ["blue-again"]
    alone = stall.post(URL, files=picked).json()
    assert alone["hits"] == ask(stall, image={"base64": base64_of(0, 0, 255)})["hits"]


@pytest.mark.parametrize(
    ("request_part", "named"),
    [
        ('{"image": {"id": "blue"}}', "request.image"),
        ("{", "JSON"),
        ("[]", "JSON"),
        ('{"k": NaN}', "JSON"),
        ('{"k": 0}', "k"),
        ('{"filter": {"colour": "red"}}', "filter.colour"),
    ],
)
def test_an_upload_is_judged_as_json_is(stall: TestClient, request_part: str, named: str) -> None:
    files = {"image": ("blau.png", picture(0, 0, 255), "image/png")}
    response = stall.post(URL, files=files, data={"request": request_part})
    assert named in assert_problem(response, 422, "invalid_request")


def test_an_upload_has_one_picture(stall: TestClient) -> None:
    without = stall.post(URL, files={"request": ("r.json", b'{"text": "red"}')})
    assert "image" in assert_problem(without, 422, "invalid_request")
    broken = stall.post(URL, files={"image": ("a.png", b"no picture", "image/png")})
    assert "not_an_image" in assert_problem(broken, 422, "image_rejected")
    empty = stall.post(URL, files={"image": ("a.png", b"")})
    assert "image: the file is empty" in assert_problem(empty, 422, "invalid_request")
    other = stall.post(URL, files={"image": ("a.png", b"x"), "file": ("b.png", b"x")})
    assert_problem(other, 422, "invalid_request")


def test_the_query_in_the_answer_is_the_text(stall: TestClient) -> None:
    query = ask(stall, text=" 빨강 ", queries=[{"text": "blue"}])["query"]
    assert (query["text"], query["normalized"], query["language"]) == (" 빨강 ", "빨강", "ko")
    assert ask(stall, queries=[{"text": "blue"}])["query"]["text"] is None


def test_what_was_mistyped_is_repaired_unless_it_is_meant(stall: TestClient) -> None:
    repaired = ask(stall, text="Qkfrkd")["query"]
    assert (repaired["normalized"], repaired["repaired_from"]) == ("빨강", "Qkfrkd")
    meant = ask(stall, text="Qkfrkd", verbatim=True)["query"]
    assert (meant["normalized"], meant["repaired_from"]) == ("Qkfrkd", None)


def test_the_relevance_of_a_mixed_query_lies_between(stall: TestClient) -> None:
    """15 images have 105 pairs: their background is measured, and differs from that of texts."""
    background = stall.app_state["serving"].get("shop").segments.backgrounds

    def relevance(**request: object) -> float:
        return float(ask(stall, **request)["hits"][0]["relevance"])

    score = ask(stall, text="red", image={"id": "red-00"})["hits"][0]["score"]
    mixed = relevance(text="red", image={"id": "red-00"})
    ends = sorted(
        float(one.relevance(np.array(score))) for one in (background.text, background.image)
    )
    assert ends[0] - 1e-3 <= mixed <= ends[1] + 1e-3
