"""The admin page: what is there, what is under way, what can be begun, stopped and undone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.app.page.admin_api import AdminApi, ago, collection, job, version
from tests.app.page.visit import BROWSER, Visiting, served, visits_to

pytestmark = BROWSER

SHOP = "/admin?collection=shop"
HOSTILE = "<img src=x onerror=\"document.title='pwned'\">"
OLD, NEW = "20261001T080000-aa01", "20261103T091500-b2c4"


@pytest.fixture
def api() -> AdminApi:
    return AdminApi(
        collections=[collection("shop", active_version=NEW), collection("art", images=12)],
        versions=[
            version(NEW, active=True),
            version(OLD, created_at=ago(days=40), images=900, model="other"),
        ],
    )


@pytest.fixture
def visiting(browser: Browser, api: AdminApi) -> Iterator[Visiting]:
    with served(api.app()) as server, visits_to(browser, server) as visit:
        yield visit


def test_a_reindex_is_begun_and_followed_to_its_end(visiting: Visiting, api: AdminApi) -> None:
    page = visiting(SHOP, language="en").page
    page.get_by_role("button", name="Reindex").click()
    live = page.locator("#live")
    expect(live).to_contain_text("Waiting for a worker")
    expect(page.locator("#reindex")).to_be_hidden()
    expect(live.get_by_role("button", name="Cancel")).to_be_focused()
    api.change("job-1", state="running", started_at=ago(), stage="embed", done=300, total=1200)
    bar = live.get_by_role("progressbar", name="Reindex")
    expect(bar).to_have_attribute("aria-valuenow", "25")
    expect(live).to_contain_text("300 of 1,200")
    expect(page.locator("#announce")).to_have_text("Reindex · Embedding pictures")
    api.change("job-1", done=1200)
    expect(live).to_contain_text("/s")
    api.change("job-1", stage="train", done=0, total=None)
    expect(live).to_contain_text("Training the index")
    expect(bar).not_to_have_attribute("aria-valuenow", re.compile(""))
    api.change("job-1", state="succeeded", finished_at=ago())
    expect(live).to_be_hidden()
    expect(page.locator("#message")).to_have_text("Reindex: Done")
    expect(page.locator("#message")).to_be_focused()
    expect(page.locator("#history li")).to_contain_text("Reindex Done")
    expect(page.get_by_role("button", name="Reindex")).to_be_visible()
    assert api.asked == [("reindex", {})]
    assert api.streams == 1


def test_what_the_form_is_given_is_what_is_asked_for(visiting: Visiting, api: AdminApi) -> None:
    page = visiting(SHOP).page
    page.get_by_text("옵션").click()
    page.get_by_label("원본").fill(" /photos/2026 ")
    page.get_by_label("모델").fill("other")
    page.get_by_label("색인 종류").select_option("ivf-pq8")
    page.get_by_label("영역").select_option("grid")
    page.get_by_label("재현율").fill("0.9")
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_be_visible()
    wanted = {
        "source": "/photos/2026",
        "model": "other",
        "regions": "grid",
        "index": "ivf-pq8",
        "recall": 0.9,
    }
    assert api.asked == [("reindex", wanted)]


def test_a_reindex_that_is_refused_says_why(visiting: Visiting, api: AdminApi) -> None:
    visit = visiting(SHOP, language="en")
    visit.expected = "422"
    detail = f"source: no such folder {HOSTILE}"
    api.refusal = {"status": 422, "code": "invalid_request", "detail": detail}
    visit.page.get_by_role("button", name="Reindex").click()
    expect(visit.page.get_by_role("alert")).to_have_text(detail)
    expect(visit.page.get_by_role("alert")).to_be_focused()


def test_a_job_of_somebody_else_is_shown_in_place_of_a_second(
    visiting: Visiting, api: AdminApi
) -> None:
    visit = visiting(SHOP)
    visit.expected = "409"
    page = visit.page
    expect(page.locator("#versions")).to_be_visible()
    api.refusal = {"status": 409, "code": "job_running", "detail": "…", "job_id": "job-0"}
    api.jobs.append(job("job-0", state="running", started_at=ago(), stage="verify"))
    page.get_by_role("button", name="재색인").click()
    expect(page.get_by_role("alert")).to_have_text("이 컬렉션에서 다른 작업이 진행 중입니다.")
    expect(page.locator("#live")).to_contain_text("검증하는 중")


def test_a_job_that_nobody_takes_up_says_how_to_start_a_worker(
    visiting: Visiting, api: AdminApi
) -> None:
    api.jobs.append(job("job-1", created_at=ago(seconds=7)))
    page = visiting(SHOP, language="en").page
    expect(page.locator("#live")).to_contain_text("Waiting for")
    expect(page.get_by_text("noongil jobs")).to_be_hidden()
    expect(page.get_by_text("noongil jobs")).to_be_visible()
    api.change("job-1", state="running", started_at=ago())
    expect(page.get_by_text("noongil jobs")).to_be_hidden()


def test_a_job_is_followed_over_connections_that_break(visiting: Visiting, api: AdminApi) -> None:
    api.breaks_streams = True
    api.jobs.append(job("job-1", state="running", started_at=ago(), stage="embed"))
    page = visiting(SHOP).page
    for done in (10, 20):
        api.change("job-1", done=done, total=100)
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", str(done))
    with page.expect_request("**/events"):  # it goes on trying
        api.change("job-1", done=30, total=100)
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "30")


def test_a_job_can_be_cancelled(visiting: Visiting, api: AdminApi) -> None:
    api.jobs.append(job("job-1", state="running", started_at=ago(), stage="embed"))
    page = visiting(SHOP).page
    with page.expect_response("**/cancel"):
        page.get_by_role("button", name="취소").click()
    expect(page.get_by_role("button", name="취소하는 중…")).to_be_visible()
    assert api.asked == [("cancel", "job-1")]
    api.change("job-1", state="cancelled", finished_at=ago())
    expect(page.locator("#history li")).to_contain_text("취소됨")


def test_a_rollback_is_explained_before_it_is_done(visiting: Visiting, api: AdminApi) -> None:
    page = visiting(SHOP).page
    row = page.get_by_role("row", name=OLD)
    expect(page.get_by_role("row", name=NEW)).to_contain_text("사용 중")
    row.get_by_role("button", name="되돌리기").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(OLD)
    expect(dialog).to_contain_text("사진 900장")
    expect(dialog).to_contain_text("starter → other")
    expect(dialog.get_by_role("button", name="취소")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(row.get_by_role("button")).to_be_focused()
    assert api.asked == []
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="되돌리기").click()
    expect(page.get_by_role("status").filter(has_text=OLD)).to_be_focused()
    expect(row).to_contain_text("사용 중")
    expect(page.get_by_role("row", name=NEW)).to_contain_text("이 버전으로")
    assert api.asked == [("activate", OLD)]


def test_a_key_is_asked_for_kept_for_the_tab_and_forgotten(
    visiting: Visiting, api: AdminApi
) -> None:
    api.key = "ng_right"
    visit = visiting(SHOP, language="en")
    visit.expected = "401"
    page = visit.page
    dialog = page.get_by_role("dialog", name="A key is needed")
    expect(dialog.get_by_label("Key")).to_be_focused()
    page.keyboard.type("ng_wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("The server does not accept that key.")
    dialog.get_by_label("Key").fill("ng_right")
    dialog.get_by_role("button", name="Go on").click()
    expect(page.locator("#versions")).to_be_visible()
    page.get_by_role("button", name="Reindex").click()
    expect(page.locator("#live")).to_be_visible()
    api.change("job-1", state="running", started_at=ago(), stage="embed", done=1, total=2)
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    page.reload()
    expect(page.locator("#versions")).to_be_visible()
    kept = "() => [Object.values(sessionStorage), localStorage.length, document.cookie]"
    assert page.evaluate(kept) == [["ng_right"], 0, ""]
    page.get_by_role("button", name="Sign out").click()
    expect(dialog).to_be_visible()
    assert page.evaluate("() => sessionStorage.length") == 0
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("A key is needed")
    page.get_by_role("button", name="Enter a key").click()
    dialog.get_by_label("Key").fill("ng_right")
    page.keyboard.press("Enter")
    expect(page.locator("#versions")).to_be_visible()


def test_a_key_that_may_not_is_told_which_may(visiting: Visiting, api: AdminApi) -> None:
    api.key, api.scope = "ng_reader", "read"
    visit = visiting("/admin")
    visit.expected = "40"
    visit.page.get_by_role("dialog").get_by_label("키").fill("ng_reader")
    visit.page.keyboard.press("Enter")
    notice = visit.page.get_by_role("alert").filter(has_text="이 키로는 할 수 없는 일이에요")
    expect(notice).to_contain_text("scope admin")
    expect(notice.get_by_role("button", name="키 입력")).to_be_visible()


def test_names_errors_and_sources_are_text_and_never_markup(
    visiting: Visiting, api: AdminApi
) -> None:
    api.collections = [collection(HOSTILE, model=HOSTILE, active_version=HOSTILE)]
    api.versions = [version(HOSTILE, index=HOSTILE, model=HOSTILE), version(NEW, active=True)]
    members = {"collection": HOSTILE, "request": {"source": HOSTILE}, "kind": HOSTILE}
    api.jobs = [
        job("1", **members, state="running", stage=HOSTILE, started_at=ago()),
        job("2", **members, state="failed", error=HOSTILE, finished_at=ago()),
    ]
    page = visiting("/admin").page
    page.get_by_role("link", name=HOSTILE, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.locator("#live .words")).to_have_text(HOSTILE)
    expect(page.locator("#history .error")).to_have_text(HOSTILE)
    expect(page.locator("#history .asked")).to_contain_text(HOSTILE)
    page.get_by_role("row", name=HOSTILE).get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    assert page.title() != "pwned"


def test_collections_lead_to_their_own_page_and_back(visiting: Visiting, api: AdminApi) -> None:
    api.jobs.append(job("1", state="running", started_at=ago(), stage="embed", done=1, total=4))
    page = visiting("/admin", language="en").page
    shop = page.get_by_role("listitem").filter(has_text="shop")
    expect(shop).to_contain_text("1,180")
    expect(shop.locator(".is-waiting")).to_contain_text("23")
    expect(shop).to_contain_text("Reindex · Embedding pictures · 25%")
    expect(shop.get_by_role("link", name="Search in shop")).to_have_attribute(
        "href", "/?collection=shop"
    )
    shop.get_by_role("link", name="shop", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page).to_have_url(re.compile(r"/admin\?collection=shop$"))
    expect(page).to_have_title("shop – Admin – Noongil")
    page.go_back()
    expect(page.get_by_role("heading", name="Collections")).to_be_focused()
    page.goto("/admin?collection=gone")
    expect(page.get_by_role("alert")).to_have_text("There is no collection “gone”")


def test_a_server_that_is_away_leaves_what_was_seen(visiting: Visiting) -> None:
    visit = visiting(SHOP)
    visit.expected = "ERR_FAILED"
    page = visit.page
    expect(page.locator("#versions")).to_be_visible()
    page.route("**/v1/**", lambda route: route.abort())
    expect(page.get_by_role("alert")).to_contain_text("서버에 닿지 않아요")
    expect(page.locator("#versions")).to_be_visible()
    page.unroute("**/v1/**")
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_page_speaks_both_languages_on_a_narrow_phone(
    visiting: Visiting, api: AdminApi, language: str
) -> None:
    long = "x" * 64
    api.collections[0]["model"] = f"open_clip:{long}"
    api.versions[0]["index"] = f"OPQ64_128,{long}"
    past = {"state": "failed", "finished_at": ago(), "error": f"{long} {long}"}
    api.jobs = [
        job("1", state="running", stage="embed", started_at=ago(), done=123_456, total=1_234_567),
        job("2", kind="fold", request={"source": long}, **past),
        job("3", kind="activate", request={"version": OLD}, **past),
    ]
    page = visiting("/admin", language=language).page
    page.set_viewport_size({"width": 320, "height": 720})
    for address in ("/admin", SHOP):
        page.goto(address)
        expect(page.locator("main")).to_have_attribute("aria-busy", "false")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    words = page.locator("main").inner_text()
    assert bool(re.search("[가-힣]", words)) == (language == "ko")
    page.locator("#language").click()
    words = page.locator("main").inner_text()
    assert bool(re.search("[가-힣]", words)) == (language == "en")
