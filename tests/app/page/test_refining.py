"""Shoppers narrow down what was found: values, ranges, order."""

import json
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.app.page.visit import BROWSER, Visiting

pytestmark = BROWSER


def _facet(page: Page, name: str) -> dict[str, str]:
    """Its values and their counts, as they are read."""
    rows = page.get_by_role("group", name=name).locator("li")
    texts = rows.evaluate_all(
        "rows => rows.map((row) => [...row.firstChild.children].slice(1)"
        ".map((part) => part.textContent))"
    )
    return dict(texts)


def _filter(page: Page) -> dict[str, object]:
    asked = parse_qs(urlsplit(page.url).query).get("filter", ["{}"])
    return dict(json.loads(asked[0]))


def _names(page: Page) -> list[str]:
    return page.locator(".tile .name").all_inner_texts()


def test_values_are_counted_and_several_can_be_chosen(shopping: Visiting) -> None:
    page = shopping("/?q=red", language="en").page
    category = page.get_by_role("group", name="category")
    expect(category.locator("li")).to_have_count(2)
    assert _facet(page, "category") == {"bags": "35", "shoes": "35"}
    assert _facet(page, "tags") == {"겨울": "52", "여름": "18", "운동화": "18"}
    category.get_by_label("shoes").check()
    expect(page.locator("#summary")).to_contain_text("35 pictures")
    expect(category.get_by_label("shoes")).to_be_focused()
    expect(page.get_by_role("group", name="브랜드")).to_contain_text("눈길23")
    assert _facet(page, "category") == {"bags": "35", "shoes": "35"}
    assert _filter(page) == {"category": ["shoes"]}
    category.get_by_label("bags").check()
    page.get_by_role("group", name="sold_out").get_by_label("No").check()
    expect(page.locator(".condition")).to_have_text(
        ["category: shoes", "category: bags", "sold_out: No"]
    )
    expect(page.locator("#summary")).to_contain_text("56 pictures")
    page.get_by_role("button", name="Remove: category: shoes").click()
    expect(page.locator("#summary")).to_contain_text("28 pictures")
    expect(category.get_by_label("shoes")).not_to_be_checked()
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#active")).to_be_hidden()
    assert _filter(page) == {}


def test_titles_are_no_filter_and_a_collection_without_attributes_has_none(
    shopping: Visiting, visiting: Visiting
) -> None:
    page = shopping("/?q=red").page
    expect(page.get_by_role("group", name="category")).to_be_visible()
    expect(page.get_by_role("group", name="title")).to_be_hidden()
    page = visiting("/?q=cat").page
    expect(page.locator(".tile").first).to_be_visible()
    expect(page.locator("#filters, #refine, #sort")).to_have_count(3)
    for hidden in ("#filters", "#refine", "#sort"):
        expect(page.locator(hidden)).to_be_hidden()


def test_numbers_and_days_have_a_range(shopping: Visiting) -> None:
    page = shopping("/?q=빨강").page
    price = page.get_by_role("group", name="price")
    price.get_by_label("부터").fill("10000")
    price.get_by_label("부터").press("Enter")
    expect(page.locator(".condition")).to_have_text(["price: 10,000 이상"])
    price.get_by_label("까지").fill("20000")
    price.get_by_label("까지").press("Tab")
    expect(page.locator(".condition")).to_have_text(["price: 10,000 ~ 20,000"])
    expect(page.locator("#summary")).to_contain_text("사진 11장")
    price.get_by_label("까지").fill("5000")
    price.get_by_label("까지").press("Enter")
    expect(price.get_by_role("alert")).to_have_text("‘부터’가 ‘까지’보다 큽니다.")
    assert _filter(page) == {"price": {"gte": 10000, "lte": 20000}}
    released = page.get_by_role("group", name="released")
    released.get_by_label("까지").fill("2024-01-12")
    released.get_by_label("까지").press("Tab")
    expect(page.locator("#summary")).to_contain_text("사진 3장")
    expect(page.locator(".condition").last).to_have_text("released: 2024-01-12 이하")
    page.reload()
    expect(released.get_by_label("까지")).to_have_value("2024-01-12")
    expect(page.locator("#summary")).to_contain_text("사진 3장")


def test_what_was_found_can_be_sorted_and_nothing_else_comes_first(shopping: Visiting) -> None:
    page = shopping("/?q=red", language="en").page
    page.get_by_label("Sort").select_option("price: high to low")
    expect(page.locator(".tile .name").first).to_have_text("sku-069")
    page.get_by_label("Sort").select_option("released: oldest first")
    expect(page.locator(".tile .name").first).to_have_text("sku-000")
    assert _names(page)[:3] == ["sku-000", "sku-001", "sku-002"]
    page.go_back()
    expect(page.locator(".tile .name").first).to_have_text("sku-069")
    expect(page.get_by_label("Sort")).to_have_value("-price")
    shared = shopping(page.url, language="ko").page
    expect(shared.locator(".tile .name").first).to_have_text("sku-069")
    expect(shared.get_by_label("정렬")).to_have_value("-price")


def test_without_a_query_there_is_something_to_choose_from(shopping: Visiting) -> None:
    page = shopping("/", language="en").page
    page.get_by_role("group", name="category").get_by_label("hats").check()
    page.get_by_label("Sort").select_option("price: low to high")
    expect(page.locator(".tile")).to_have_count(31)
    expect(page.locator(".tile .name").first).to_have_text("sku-070")
    expect(page.locator(".tile .name").last).to_have_text("wide")


def test_back_and_forward_step_through_filters(shopping: Visiting) -> None:
    page = shopping("/?q=red", language="en").page
    shoes = page.get_by_role("group", name="category").get_by_label("shoes")
    shoes.check()
    expect(page.locator("#summary")).to_contain_text("35 pictures")
    page.go_back()
    expect(shoes).not_to_be_checked()
    expect(page.locator(".condition")).to_have_count(0)
    page.go_forward()
    expect(shoes).to_be_checked()
    expect(page.locator("#summary")).to_contain_text("35 pictures")


def test_a_filter_that_the_page_could_not_make_is_asked_and_shown(shopping: Visiting) -> None:
    asked = {"any": [{"price": {"gt": 69000}}, {"price": 1000}], "sold_out": {"exists": True}}
    visit = shopping(f"/?q=red&filter={quote(json.dumps(asked))}", language="en")
    page = visit.page
    expect(page.locator("#summary")).to_contain_text("2 pictures")
    expect(page.locator(".condition")).to_have_count(2)
    page.get_by_role("button", name="Remove: any").click()
    expect(page.locator(".condition")).to_have_text(['sold_out: {"exists":true}'])
    visit.expected = "422"
    page.goto("/?q=red&filter=nonsense")
    expect(page.get_by_role("alert")).to_contain_text("filter")
    page.goto(f"/?q=red&filter={quote(json.dumps({'colour': 'red'}))}")
    expect(page.get_by_role("alert")).to_contain_text("colour")
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#summary")).to_contain_text("60 pictures")


def test_filters_that_nothing_passes_are_said_and_can_be_taken_away(shopping: Visiting) -> None:
    asked = quote(json.dumps({"price": {"gte": 10**9}}))
    page = shopping(f"/?q=red&filter={asked}", language="en").page
    expect(page.locator("#notice")).to_contain_text("Take away a filter")
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#notice")).to_be_hidden()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_on_a_phone_filters_unfold_and_fit(shopping: Visiting, language: str) -> None:
    page = shopping("/?q=red", language=language, phone=True).page
    expect(page.locator("#filters")).to_be_hidden()
    page.locator("#refine").tap()
    page.get_by_role("group", name="category").get_by_label("shoes").tap()
    expect(page.locator("#refine .badge")).to_have_text("1")
    expect(page.locator("#filters")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.locator("#refine").tap()
    expect(page.locator("#filters")).to_be_hidden()
