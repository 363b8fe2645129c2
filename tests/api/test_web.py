"""The pages in a browser: what people see is what the API says, and what they do reaches it."""

import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from api_calls import ids, recommended, until

from recsys.database import keys
from recsys.database.session import open_sessions, writing
from recsys.settings import Settings

REQUIRED = bool(os.environ.get("RECSYS_TESTS_REQUIRE_ALL"))
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
SECONDS = 20.0  # that a page may take on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        (pytest.fail if REQUIRED else pytest.skip)("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, http: httpx.Client) -> Iterator[Any]:
    """A new tab on the site; whatever its console complains of fails the test."""
    tab = browser.new_page(base_url=str(http.base_url))
    tab.set_default_timeout(1000 * SECONDS)
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    tab.complaints = complaints
    yield tab
    tab.close()
    assert complaints == []


def shown(page: Any) -> list[str]:
    """The ids of the recommended articles, as far as they are on the page."""
    return list(page.locator("#list > li").evaluate_all("cards => cards.map(card => card.dataset.article)"))


def notice(page: Any) -> str:
    page.locator("#notice").wait_for(state="visible")
    return str(page.locator("#notice").inner_text())


def enter(page: Any, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use it").click()


def test_a_reader_sees_their_list_and_why(page: Any, http: httpx.Client) -> None:
    page.goto("/?user=u1")
    page.locator("#list > li").nth(9).wait_for()
    assert set(shown(page)) == set(ids(recommended(http, "u1", log=False)))  # counters decay from one to the other
    page.locator("#list summary").first.click()
    assert page.locator("#list details").first.locator("meter").count() >= 3
    assert page.locator("#past > li").count() == http.get("/v1/users/u1").json()["clicks"]
    assert http.get("/v1/users/u1").json()["served"] == 0  # looking is not logged


def test_what_is_read_there_changes_the_next_list(page: Any, http: httpx.Client) -> None:
    page.goto("/?user=u1")
    first = page.locator("#list > li").first
    first.wait_for()
    read = shown(page)[0]
    first.get_by_role("button", name="Read:").click()
    until(lambda: read not in shown(page), SECONDS)
    assert http.get("/v1/users/u1").json()["history"][0]["article_id"] == read
    waved = shown(page)[0]
    page.locator("#list > li").first.get_by_role("button", name="Dismiss:").click()
    page.locator("#past .tag", has_text="dismissed").wait_for()
    assert waved not in shown(page)


def test_a_stranger_gets_a_list_and_an_address_of_their_own(page: Any) -> None:
    page.goto("/")
    page.locator("#list > li").first.wait_for()
    page.get_by_role("combobox", name="Reader").fill("a stranger / with a slash")
    page.get_by_label("Section").select_option("sport")
    page.get_by_label("Articles").fill("4")
    page.get_by_role("button", name="Recommend").click()
    page.get_by_text("Nothing: they get what is trending").wait_for()
    assert len(shown(page)) == 4
    assert all("sport" in text for text in page.locator("#list > li > div > p.soft").all_inner_texts())
    assert "user=a+stranger+%2F+with+a+slash" in page.url
    page.complaints.clear()  # the 404 of somebody unknown


def test_pictures_are_shown_and_what_has_none_is_not_broken(page: Any) -> None:
    page.goto("/inspect?article=a9")  # without a picture
    page.locator("#article h2").wait_for()
    assert page.locator("#article img").count() == 0
    image = page.locator("[data-by=title] img").first
    image.scroll_into_view_if_needed()
    until(lambda: image.evaluate("image => image.naturalWidth") == 48, SECONDS)


def test_a_list_is_shown_while_the_database_says_nothing_of_the_reader(page: Any) -> None:
    page.route("**/v1/users/u1?limit=*", lambda route: route.fulfill(status=503, body="<html>a proxy's own</html>"))
    page.goto("/?user=u1")
    page.get_by_text("The database does not say at the moment.").wait_for()
    assert len(shown(page)) == 10
    page.complaints.clear()  # the 503


def test_a_slow_answer_does_not_replace_a_newer_one(page: Any, http: httpx.Client) -> None:
    page.goto("/inspect?article=a1")
    page.locator("#columns section").nth(2).wait_for()
    held: list[Any] = []
    page.route("**/v1/articles/a2/similar?by=fused*", lambda route: held.append(route))
    for article in ("a2", "a3"):
        page.get_by_label("Article").fill(article)
        page.get_by_role("button", name="Inspect").click()
    title = http.get("/v1/articles/a3").json()["title"]
    page.locator("#article h2", has_text=title).wait_for()
    with page.expect_response("**/v1/articles/a2/similar?by=fused*"):
        held[0].continue_()
    page.wait_for_timeout(200)
    assert page.locator("#article h2").inner_text() == title
    assert page.url.endswith("article=a3")


def test_neighbours_stand_side_by_side_and_lead_on(page: Any, http: httpx.Client) -> None:
    page.goto("/inspect?article=a1")
    page.locator("#columns section").nth(2).wait_for()
    for by in ("fused", "title", "image"):
        titles = [item["title"] for item in http.get(f"/v1/articles/a1/similar?by={by}").json()["items"]]
        assert page.locator(f"[data-by={by}] h3").all_inner_texts() == titles
    nearest = http.get("/v1/articles/a1/similar?by=title").json()["items"][0]
    page.locator("[data-by=title] h3 a").first.click()
    page.locator("#article h2", has_text=nearest["title"]).wait_for()
    page.go_back()
    page.locator("#article h2", has_text=http.get("/v1/articles/a1").json()["title"]).wait_for()


def test_a_text_finds_articles(page: Any, http: httpx.Client) -> None:
    page.goto("/inspect")
    page.get_by_label("What a text says").fill("the goalkeeper saves a penalty")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("By title.").wait_for(timeout=3000 * SECONDS)  # the encoder is loaded now
    sent = {"text": "the goalkeeper saves a penalty"}
    found = [item["title"] for item in http.post("/v1/search", json=sent, timeout=60).json()["items"]]
    assert page.locator("#columns h3").all_inner_texts() == found


def test_a_title_is_text_whatever_it_looks_like(page: Any, http: httpx.Client) -> None:
    title = '<img src=x onerror="document.title=\'taken over\'"><b>bold</b> & "quoted"'
    assert http.put("/v1/articles/sly", json={"title": title, "image": "javascript:alert(1)"}).status_code == 422
    assert http.put("/v1/articles/sly", json={"title": title}).status_code == 201
    page.goto("/inspect?article=sly")
    page.locator("#article h2").wait_for()
    assert page.locator("#article h2").inner_text() == title
    assert page.title() == "Similarity · recsys"


@pytest.mark.parametrize(
    ("path", "asked", "answer", "sentence"),
    [
        ("/", "newest", {"articles": [], "readers": [], "sections": []}, "Nobody has clicked yet"),
        ("/inspect", "newest", {"articles": [], "readers": [], "sections": []}, "There is no article with a title yet"),
        ("/models", "models", {"live": None, "experiment": None, "versions": []}, "There is no version yet"),
    ],
)
def test_a_page_of_an_empty_site_says_so(page: Any, path: str, asked: str, answer: Any, sentence: str) -> None:
    page.route(f"**/v1/{asked}", lambda route: route.fulfill(json=answer))
    page.goto(path)
    page.get_by_text(sentence).wait_for()


def test_what_is_wrong_is_said_and_taken_back(page: Any) -> None:
    page.goto("/inspect?article=nobody")
    assert "There is no article 'nobody'" in notice(page)
    page.get_by_label("Article").fill("a1")
    page.get_by_role("button", name="Inspect").click()
    page.locator("#article h2").wait_for()
    assert page.locator("#notice").is_hidden()
    page.complaints.clear()  # the 404


def test_versions_are_promoted_and_taken_back(page: Any, http: httpx.Client) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/models")
    page.locator("#versions tr").nth(1).wait_for()
    listed = http.get("/v1/models").json()
    (other,) = [row["version"] for row in listed["versions"] if row["version"] != listed["live"]]
    page.get_by_role("button", name=f"Promote {other}").click()
    page.locator(f'[data-version="{other}"] strong', has_text="live").wait_for()
    assert http.get("/v1/models").json()["live"] == other
    page.get_by_role("button", name="Roll back").click()
    page.locator(f'[data-version="{listed["live"]}"] strong', has_text="live").wait_for()
    assert http.get("/v1/models").json()["live"] == listed["live"]


def test_a_retraining_is_asked_for_and_followed(page: Any, http: httpx.Client) -> None:
    page.goto("/models")
    page.locator("#versions tr").first.wait_for()
    page.get_by_role("button", name="Retrain").click()
    page.locator("#job", has_text="waiting").wait_for()  # no worker runs here
    assert page.get_by_role("button", name="Retrain").is_disabled()
    page.reload()
    page.locator("#job", has_text="waiting").wait_for()  # whoever comes later sees it too
    assert [job["status"] for job in http.get("/v1/jobs").json()["jobs"]] == ["waiting"]


def test_the_data_are_counted(page: Any, http: httpx.Client) -> None:
    page.goto("/data")
    page.locator("#sections li").first.wait_for()
    log = http.get("/v1/data").json()["log"]
    assert page.locator("#counts div", has_text="lists seen").locator("dd").inner_text() == str(log["impressions"])
    page.get_by_role("button", name="Look for them").click()
    found = http.get("/v1/findings").json()["findings"]
    page.locator("#examined", has_text=f"{len(found)} found." if found else "Nothing is wrong").wait_for()
    assert page.locator("#findings li").count() == len(found)


def test_with_keys_a_page_asks_for_one(page: Any, http: httpx.Client, site: Settings) -> None:
    sessions = open_sessions(site)
    with writing(sessions) as session:
        key = keys.create(session, "a person", ("read",), at=time.time(), who="a test")
    until(lambda: http.get("/v1/models").status_code == 401, SECONDS)
    page.goto("/inspect?article=a1")
    assert "API key" in notice(page)
    enter(page, keys.PREFIX + "0" * 43)
    page.get_by_text("This API key is unknown").wait_for()
    enter(page, key)
    page.locator("#article img").wait_for()
    image = page.locator("#article img")
    until(lambda: image.evaluate("image => image.naturalWidth") == 48, SECONDS)  # fetched with the key
    page.goto("/models")
    page.locator("#versions tr").first.wait_for()
    page.get_by_role("button", name="Retrain").click()
    assert "scope admin" in notice(page)
    assert page.get_by_label("API key").is_visible()  # another key is the way out
    page.complaints.clear()  # the 401 and the 403
    sessions.kw["bind"].dispose()
