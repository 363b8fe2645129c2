"""The pages as files: who may see them, and what they may not do."""

import re
import time

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.routes.pages import FOLDER
from recsys.database import keys
from recsys.database.session import open_sessions, writing

PAGES = ("/", "/inspect", "/models", "/data")


@pytest.mark.parametrize("path", [*PAGES, "/?user=u1", "/inspect?article=a1"])
def test_a_page_is_html_that_runs_nothing_of_others(bare, path):
    answer = bare.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_knows_its_place(bare, path):
    text = bare.get(path).text
    assert re.findall(r'<a href="([^"]+)" aria-current="page">', text) == [path.removeprefix("/") or "./"]
    assert "$" not in text
    assert text.count("<h1>") == 1


@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_names_is_there(bare, path):
    names = re.findall(r'(?:href|src)="([^"]+)"', bare.get(path).text)
    assert {"./", "inspect", "models", "data", "docs", "assets/style.css"} <= set(names)
    for name in names:
        assert bare.get(f"/{name.removeprefix('./')}").status_code == 200, name


def test_scripts_name_only_what_is_there(bare):
    for script in FOLDER.glob("*.js"):
        text = script.read_text()
        assert "innerHTML" not in text
        for name in re.findall(r'from "\./([^"]+)"', text):
            answer = bare.get(f"/assets/{name}")
            assert answer.headers["content-type"].partition(";")[0] in ("text/javascript", "application/javascript")
            assert answer.headers["cache-control"] == "no-cache"  # else an old script would meet a new page
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_elements_that_scripts_ask_for_are_in_their_page():
    for script in sorted(FOLDER.glob("*.js")):
        if script.stem == "common":
            continue
        text, page = script.read_text(), (FOLDER / f"{script.stem}.html").read_text()
        asked = set(re.findall(r'(?:byId|fill)\("([\w-]+)"', text))
        assert asked
        assert asked <= set(re.findall(r' id="([\w-]+)"', page)), script.name


def test_pages_need_no_key_and_their_data_do(site):
    sessions = open_sessions(site)
    with writing(sessions) as session:
        keys.create(session, "somebody", ("admin",), at=time.time(), who="a test")
    sessions.kw["bind"].dispose()
    with TestClient(create_app(site), client=("203.0.113.9", 5000)) as client:
        assert [client.get(path).status_code for path in PAGES] == [200] * 4
        assert client.get("/assets/common.js").status_code == 200
        assert client.get("/v1/data").status_code == 401


def test_nothing_else_of_the_disk_is_served(bare):
    for name in ("../app.py", "..%2Fapp.py", "%2e%2e/app.py", "nothing.js"):
        assert bare.get(f"/assets/{name}").status_code == 404


def test_pages_stand_below_a_proxys_path(site):
    with TestClient(create_app(site), root_path="/news") as client:
        assert client.get("/news/inspect").status_code == 200
        assert client.get("/news/assets/style.css").status_code == 200
        assert client.get("/news/v1/data").status_code == 200
