"""The catalogue over HTTP, and that what is gone from it is gone from the next answer."""

import base64
import time
from datetime import datetime
from io import BytesIO
from urllib.parse import quote

import pytest
from api_calls import assert_problem, event, ids, now, recommended, send
from PIL import Image


def png(colour="red"):
    file = BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "PNG")
    return file.getvalue()


def data_uri(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def test_an_article_is_written_and_read(client):
    sent = {
        "title": "Bakery wins", "summary": "It rose.", "body": "Long ago", "section": "food", "author": "Jo",
        "language": "en", "url": "https://paper.example/1", "image": "https://paper.example/1.jpg",
        "published_at": "2026-03-22T09:00:00+02:00", "expires_at": "2026-04-01T00:00:00Z", "premium": True,
    }  # fmt: skip
    answer = client.put("/v1/articles/n1", json=sent)
    assert answer.status_code == 201
    expected = {name: value for name, value in sent.items() if name != "image"} | {
        "article_id": "n1", "image_url": sent["image"], "published_at": "2026-03-22T07:00:00Z", "length": 8,
    }  # fmt: skip
    assert answer.json() == expected
    assert client.get("/v1/articles/n1").json() == expected
    assert client.put("/v1/articles/n1", json={"article_id": "n1", "title": "Bakery lost"}).status_code == 200
    assert client.get("/v1/articles/n1").json()["title"] == "Bakery lost"
    assert client.get("/v1/articles/n1").json()["author"] is None


def test_an_id_that_an_event_named_is_no_article_yet(client):
    send(client, event(article="n1"))
    assert client.put("/v1/articles/n1", json={"title": "One"}).status_code == 201
    assert client.put("/v1/articles/n1", json={"title": "Two"}).status_code == 200


@pytest.mark.parametrize("wrong", [{"section": "x" * 129}, {"language": "x" * 36}])
def test_a_label_that_is_too_long_is_told_in_characters(client, wrong):
    assert_problem(client.put("/v1/articles/n1", json={"title": "T"} | wrong), 422, "characters")


def test_an_address_may_be_a_path_of_the_site(client):
    assert client.put("/v1/articles/n1", json={"title": "One", "url": "/news/1"}).json()["url"] == "/news/1"


def test_an_article_without_a_time_was_published_when_it_came(client):
    before = time.time()
    first = client.put("/v1/articles/n1", json={"title": "One"}).json()["published_at"]
    assert before - 1 <= _seconds(first) <= time.time()
    time.sleep(0.02)
    assert client.put("/v1/articles/n1", json={"title": "Two"}).json()["published_at"] == first


def test_a_list_of_articles_is_written_whole_or_not_at_all(client):
    listed = [{"article_id": "n1", "title": "One"}, {"article_id": "n2", "title": "Two", "section": "food"}]
    assert client.post("/v1/articles", json=listed).json() == {"articles": 2, "changed": 2}
    assert client.post("/v1/articles", json=listed).json() == {"articles": 2, "changed": 0}
    wrong = [{"article_id": "n3"}, {"title": "without an id"}]
    assert_problem(client.post("/v1/articles", json=wrong), 422, "1.article_id")
    assert_problem(client.get("/v1/articles/n3"), 404)
    too_many = [{"article_id": str(number)} for number in range(1001)]
    assert_problem(client.post("/v1/articles", json=too_many), 422, "1000")


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        ({"headline": "?"}, "headline"),
        ({"article_id": "other"}, "path"),
        ({"published_at": "2026-03-22T07:00:00"}, "timezone"),
        ({"published_at": 1774162800}, "published_at"),
        ({"expires_at": "9999-12-31T23:59:59.999999Z"}, "2200"),
        ({"published_at": "0001-01-01T00:00:00+01:00"}, "2200"),
        ({"title": 7}, "title"),
        ({"title": "a\0b"}, "zero"),
        ({"section": "x" * 129}, "section"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "//elsewhere.example/1"}, "url"),
        ({"url": "news/1"}, "url"),
        ({"length": -1}, "length"),
        ({"image": "/etc/passwd"}, "address"),
        ({"image": "file:///etc/passwd"}, "address"),
        ({"image": "../pictures/1.png"}, "address"),
        ({"image": data_uri(b"<svg/>", "image/svg+xml")}, "PNG"),
        ({"image": "data:image/png;base64,%%%"}, "base64"),
        ({"image": "data:image/png;base64,"}, "bytes"),
    ],
)
def test_a_wrong_article_is_refused(client, sent, word):
    assert_problem(client.put("/v1/articles/n1", json=sent), 422, word)
    assert_problem(client.get("/v1/articles/n1"), 404, "n1")


def test_an_uploaded_picture_is_kept_by_its_content_and_given_out(client, site):
    picture = png()
    for article in ("n1", "n2"):
        answer = client.put(f"/v1/articles/{article}", json={"title": "With picture", "image": data_uri(picture)})
        assert answer.json()["image_url"] == f"/v1/articles/{article}/image"
    assert len(list(site.media.iterdir())) == 1
    image = client.get("/v1/articles/n2/image")
    assert image.content == picture
    assert image.headers["content-type"] == "image/png"
    assert image.headers["x-content-type-options"] == "nosniff"
    assert image.headers["cache-control"] == "no-cache"  # the next one has the same address
    again = client.get("/v1/articles/n2/image", headers={"If-None-Match": image.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_pictures_on_this_server_are_given_out(client, site):
    assert client.get("/v1/articles/a1/image").headers["content-type"] == "image/png"
    client.put("/v1/articles/n1", json={"image": "https://paper.example/1.jpg"})
    client.put("/v1/articles/n2", json={"image": data_uri(png())})
    next(site.media.iterdir()).unlink()
    for article in ("n1", "n2", "a9", "nowhere"):
        assert_problem(client.get(f"/v1/articles/{article}/image"), 404, article)


def test_a_deleted_article_is_gone_from_the_next_answer(client):
    for _ in range(3):
        first = ids(recommended(client, log="false"))[0]
        assert client.delete(f"/v1/articles/{first}").status_code == 204
        answer = recommended(client)
        assert first not in ids(answer)
        assert [item["position"] for item in answer["items"]] == list(range(1, 11))
        assert_problem(client.delete(f"/v1/articles/{first}"), 404, first)
        assert_problem(client.get(f"/v1/articles/{first}"), 404)


@pytest.mark.parametrize("change", [{"expires_at": now(-1)}, {"published_at": now(3600)}])
def test_an_expired_or_held_back_article_is_gone_from_the_next_answer(client, change):
    first, second, *_ = ids(recommended(client))
    client.put(f"/v1/articles/{first}", json={"title": "Changed", "section": "food"} | change)
    answer = recommended(client, limit=100)
    assert first not in ids(answer)
    assert second in ids(answer)
    assert first not in [item["article_id"] for item in client.get(f"/v1/articles/{second}/similar").json()["items"]]


@pytest.mark.parametrize("article_id", ["2026/03/22/story", "a b?c#d", "100%25", "ümlaut-日本", "x/image"])
def test_ids_may_hold_any_character(client, article_id):
    place = f"/v1/articles/{quote(article_id, safe='')}"
    assert client.post("/v1/articles", json=[{"article_id": article_id, "image": data_uri(png())}]).status_code == 200
    assert client.get(place).json()["article_id"] == article_id
    image_url = client.get(place).json()["image_url"]
    assert client.get(image_url).content == png()
    assert client.get(f"/v1/users/{quote(article_id, safe='')}/recommendations").json()["user_id"] == article_id
    assert client.delete(place).status_code == 204


def _seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_what_get_gives_may_be_put_back(client):
    for article_id in ("a1", "a9"):  # with a picture of this server's, and without one
        before = client.get(f"/v1/articles/{article_id}").json()
        answer = client.put(f"/v1/articles/{article_id}", json=before | {"title": "Corrected"})
        assert answer.status_code == 200, answer.text
        assert answer.json() == before | {"title": "Corrected"}
    assert client.get("/v1/articles/a1/image").status_code == 200


def test_an_address_may_be_called_by_the_name_that_answers_use(client):
    address = "https://pictures.example/1.jpg"
    answer = client.put("/v1/articles/n1", json={"title": "New", "image_url": address})
    assert answer.json()["image_url"] == address
    assert client.put("/v1/articles/n1", json=answer.json()).json() == answer.json()


def test_a_picture_of_another_article_is_not_named_by_its_path(client):
    taken = {"title": "New", "image_url": "/v1/articles/a1/image"}
    assert_problem(client.put("/v1/articles/n1", json=taken), 422, "image_url")
    assert_problem(client.put("/v1/articles/a2", json=taken), 422, "image_url")
    both = {"image": "https://pictures.example/1.jpg", "image_url": "https://pictures.example/2.jpg"}
    assert_problem(client.put("/v1/articles/a2", json=both), 422, "not both")
