"""What the search page says where it has nothing to show, and how it goes on."""

import json

from playwright.sync_api import Route, expect

from tests.app.page.visit import BROWSER, SEARCH, Visiting, expect_first

pytestmark = BROWSER


def test_a_collection_without_pictures_says_how_to_index(visiting: Visiting) -> None:
    page = visiting().page
    page.get_by_label("컬렉션").select_option("nothing-yet")
    expect(page.locator("#notice h2")).to_have_text("아직 사진이 없어요")
    expect(page.locator("#notice code")).to_have_text(
        "noongil index ./photos --collection nothing-yet"
    )
    page.reload()
    expect(page.get_by_label("컬렉션")).to_have_value("nothing-yet")
    page.goto("/")
    expect(page.get_by_label("컬렉션")).to_have_value("nothing-yet")


def test_a_collection_that_is_gone_leads_to_those_that_are_there(visiting: Visiting) -> None:
    page = visiting("/?q=cat&collection=gone", language="en").page
    expect(page.get_by_role("alert")).to_contain_text("There is no collection “gone”")
    page.get_by_role("button", name="photos").click()
    expect_first(page, "chelsea.png")


def test_pictures_that_are_only_nearest_are_not_shown_as_found(visiting: Visiting) -> None:
    page = visiting().page

    def make_irrelevant(route: Route) -> None:
        answer = route.fetch().json()
        route.fulfill(
            json={**answer, "hits": [{**hit, "relevance": 0.2} for hit in answer["hits"]]}
        )

    page.route(SEARCH, make_irrelevant)
    page.goto("/?q=없는 것")
    expect(page.locator("#notice h2")).to_have_text("꼭 맞는 사진은 없어요")
    expect(page.locator("#close-hits .tile")).to_have_count(0)
    expect(page.locator("#far-hits .tile")).to_have_count(7)


def test_no_pictures_at_all_is_said(visiting: Visiting) -> None:
    page = visiting(language="en").page
    page.route(SEARCH, lambda route: route.fulfill(json={**route.fetch().json(), "hits": []}))
    page.goto("/?q=nothing")
    expect(page.locator("#notice h2")).to_have_text("Nothing found")


def test_a_server_that_is_not_ready_is_asked_again_until_it_is(visiting: Visiting) -> None:
    visit = visiting()
    visit.expected = "503"
    page = visit.page
    problem = json.dumps({"code": "not_ready", "detail": "its index is being opened"})
    page.route(
        SEARCH, lambda route: route.fulfill(status=503, body=problem, headers={"Retry-After": "1"})
    )
    page.goto("/?q=고양이")
    expect(page.get_by_role("alert")).to_contain_text("아직 준비하고 있어요")
    expect(page.get_by_role("alert")).to_contain_text("its index is being opened")
    page.unroute(SEARCH)
    expect_first(page, "chelsea.png")
    expect(page.locator("#notice")).to_be_hidden()


def test_a_server_that_is_away_can_be_tried_again(visiting: Visiting) -> None:
    visit = visiting()
    visit.expected = "ERR_FAILED"
    page = visit.page
    expect(page.locator(".tile")).to_have_count(7)
    page.route("**/v1/**", lambda route: route.abort())
    page.fill("#text", "고양이")
    expect(page.get_by_role("alert")).to_contain_text("서버에 닿지 않아요")
    page.unroute("**/v1/**")
    page.get_by_role("button", name="다시 시도").click()
    expect_first(page, "chelsea.png")


def test_a_query_that_is_refused_says_why(visiting: Visiting) -> None:
    visit = visiting(language="en")
    visit.expected = "422"
    body = json.dumps({"code": "invalid_request", "detail": "text: too long"})
    visit.page.route(SEARCH, lambda route: route.fulfill(status=422, body=body))
    visit.page.goto("/?q=x")
    expect(visit.page.get_by_role("alert")).to_contain_text("text: too long")
