"""Articles near a text or a picture."""

import base64
from pathlib import Path

import pytest
from api_calls import assert_problem

from api import searches
from recsys.database import articles
from recsys.database.session import open_sessions
from recsys.encoders import load_encoders
from recsys.settings import Settings

NO_PICTURE = b"\x89PNG\r\n\x1a\n and nothing behind it"


@pytest.fixture(scope="module")
def encoders():
    return load_encoders(Settings(_env_file=None))


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch, encoders):
    """Models stay in memory from test to test."""
    monkeypatch.setattr(searches, "load_encoders", lambda _settings: encoders)


def inline(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.fixture
def a1(site):
    """An article with a title and a picture."""
    with open_sessions(site)() as session:
        found = articles.get_article(session, "a1")
    assert found is not None
    return found


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [item["article_id"] for item in answer.json()["items"]]


def test_a_title_finds_its_article_first_and_then_what_is_like_it(client, a1):
    answer = client.post("/v1/search", json={"text": a1.title, "limit": 5})
    assert ids(answer)[0] == "a1"
    assert answer.json()["by"] == ["title"]
    first, *others = answer.json()["items"]
    assert first["similarity"] == pytest.approx(1, abs=1e-3)
    assert first.keys() == {"article_id", "title", "similarity", "image_url"}
    like_it = client.get("/v1/articles/a1/similar?by=title&limit=4").json()["items"]
    assert [item["article_id"] for item in others] == [item["article_id"] for item in like_it]


def test_a_picture_finds_its_article_and_none_without_one(client, a1):
    answer = client.post("/v1/search", json={"image": inline(Path(a1.image).read_bytes()), "limit": 100})
    assert answer.json()["by"] == ["image"]
    assert ids(answer)[0] == "a1"
    assert answer.json()["items"][0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert "a9" not in ids(answer)  # has no picture


def test_a_picture_may_be_uploaded_as_a_file(client, a1):
    data = Path(a1.image).read_bytes()
    answer = client.post("/v1/search", files={"image": ("front.png", data, "image/png")}, data={"limit": "3"})
    inlined = client.post("/v1/search", json={"image": inline(data), "limit": 3})
    assert ids(answer) == ids(inlined)
    assert ids(answer)[0] == "a1"
    assert len(ids(answer)) == 3
    both = client.post("/v1/search", files={"image": data}, data={"text": a1.title})
    assert both.json()["by"] == ["image", "title"]
    assert ids(client.post("/v1/search", files={"text": (None, a1.title)}))[0] == "a1"
    left_empty = {"text": (None, a1.title), "image": ("", b"", "application/octet-stream")}
    assert client.post("/v1/search", files=left_empty).json()["by"] == ["title"]


def test_a_form_that_cannot_be_read_is_refused(client):
    two = [("image", b"one"), ("image", b"two")]
    assert_problem(client.post("/v1/search", files=two), 422, "form", "`image`")
    assert_problem(client.post("/v1/search", files={"image": b"no picture"}), 422, "picture")
    assert_problem(client.post("/v1/search", files={"limit": (None, "3")}), 422, "a text, an image")
    whole = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nwar\r\n'
    cut = whole + b'--x\r\nContent-Disposition: form-data; name="image"; filename="1.png"\r\n\r\nabc'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/search", content=whole + b"--x--\r\n", headers=headers).status_code == 200
    assert_problem(client.post("/v1/search", content=cut, headers=headers), 422, "whole form")
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x; charset=nonsense"):
        broken = client.post("/v1/search", content=b"--x\r\nnothing", headers={"content-type": kind})
        assert_problem(broken, 422)


def test_a_body_that_is_neither_json_nor_a_form_is_refused(client):
    for headers in ({"content-type": "text/plain"}, {"content-type": "text/x+json"}, {}):
        assert_problem(client.post("/v1/search", content=b'{"text": "a"}', headers=headers), 422, "JSON")
    assert_problem(client.post("/v1/search", content=b"{", headers={"content-type": "application/json"}), 422, "JSON")


def test_both_together_are_the_mean_of_both(client, a1):
    sent = {"text": a1.title, "image": inline(Path(a1.image).read_bytes()), "limit": 100}
    both = {item["article_id"]: item["similarity"] for item in client.post("/v1/search", json=sent).json()["items"]}
    parts = []
    for name in ("text", "image"):
        answer = client.post("/v1/search", json={name: sent[name], "limit": 100}).json()
        parts.append({item["article_id"]: item["similarity"] for item in answer["items"]})
    for article_id, similarity in both.items():
        if article_id in parts[0] and article_id in parts[1]:
            assert similarity == pytest.approx((parts[0][article_id] + parts[1][article_id]) / 2, abs=1e-3)
    assert max(both, key=both.__getitem__) == "a1"


def test_what_was_deleted_is_not_found(client, a1):
    client.delete("/v1/articles/a1")
    assert "a1" not in ids(client.post("/v1/search", json={"text": a1.title}))


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({}, "a text, an image, or both"),
        ({"text": "  "}, "at least 1 character"),
        ({"text": "x" * 1001}, "1000"),
        ({"text": "storm", "limit": 0}, "greater than or equal to 1"),
        ({"image": "https://example.com/a.png"}, "addresses are not fetched"),
        ({"image": "/etc/passwd"}, "data:image/png"),
        ({"image": inline(NO_PICTURE)}, "cannot be read"),
    ],
)
def test_a_wrong_search_is_refused_with_the_reason(client, sent, why):
    assert_problem(client.post("/v1/search", json=sent), 422, why)


def test_without_a_model_it_says_so(bare):
    assert_problem(bare.post("/v1/search", json={"text": "storm"}), 503, "No model is live")


def test_a_model_of_other_encoders_says_so(client):
    model = client.app.state.running.live.model
    model.encoders["title"] = "another"
    assert_problem(client.post("/v1/search", json={"text": "storm"}), 409, "trained with another")
    del model.encoders["image"]
    assert_problem(client.post("/v1/search", json={"image": inline(NO_PICTURE)}), 409, "without it")
