"""Recommendations over HTTP: their shape, what they are asked for, and what changes them."""

from datetime import datetime

import pytest
from api_calls import assert_problem, event, ids, recommended, send
from made_site import ARTICLES, article_id, section_of

from api.deps import ADMITTED
from api.routes.recommendations import recommend
from api.schemas import RecommendationsOut
from api.security import needs

FIELDS = {"article_id", "title", "section", "image_url", "published_at", "position", "score", "source"}


def test_an_answer_has_the_shape_that_clients_rely_on(client, newspaper):
    response = client.get("/v1/users/u1/recommendations?limit=7")
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert answer.keys() == {"user_id", "model_version", "impression_id", "items"}
    assert (answer["user_id"], answer["model_version"]) == ("u1", newspaper.live)
    assert len(answer["items"]) == len(set(ids(answer))) == 7
    assert [item["position"] for item in answer["items"]] == list(range(1, 8))
    for item in answer["items"]:
        assert item.keys() == FIELDS
        assert 0 < item["score"] < 1
        assert item["published_at"].endswith("Z")
        assert datetime.fromisoformat(item["published_at"]).utcoffset().total_seconds() == 0
    assert all(0 < item["score"] < 1 for item in answer["items"])


def test_an_explanation_comes_when_it_is_asked_for(client):
    first = recommended(client, "u1", explain="true", limit=3)["items"][0]
    assert first.keys() == FIELDS | {"explanation"}
    explanation = first["explanation"]
    assert sum(explanation["modalities"].values()) == pytest.approx(1, abs=0.01)
    assert explanation["features"]["clicks_8h"] >= 0
    assert all("what is known of case" in title for title in explanation["because"])


def test_an_unknown_user_gets_articles_of_several_sections(client):
    items = recommended(client, "nobody-knows-me")["items"]
    assert len(items) == 10
    assert len({item["section"] for item in items}) >= 3
    assert {item["source"] for item in items} <= {"trending", "popular", "fresh"}


def test_a_click_changes_the_very_next_answer(client):
    before = recommended(client)
    clicked = ids(before)[0]
    assert send(client, event(article=clicked))["accepted"] == 1
    after = recommended(client)
    assert clicked not in ids(after)
    scores = {item["article_id"]: item["score"] for item in before["items"]}
    assert any(item["score"] != scores.get(item["article_id"]) for item in after["items"])


@pytest.mark.parametrize(
    "asked",
    [
        "u1/{}",
        "u1/{}?limit=3&explain=true",
        "u1/{}?limit=0",
        "u1/{}?limit=3&limit=4",
        "u1/{}?limit=a&explain=maybe&page=none",
        "u1/{}?section=&device=&page=front",
        "u1/{}?exclude=a,b&exclude=c%00",
        "u1/{}?subscriber=1&nothing=known",
        "a%2520b/{}?log=false",
        "x" * 2000 + "/{}",
    ],
)
def test_the_route_reads_a_request_as_fastapi_would(client, asked):
    plain = {"dependencies": [needs("read"), ADMITTED], "response_model": RecommendationsOut}
    client.app.add_api_route("/v1/users/{user_id}/plain", recommend, **plain)
    ours, theirs = (client.get(f"/v1/users/{asked.format(last)}") for last in ("recommendations", "plain"))
    assert ours.status_code == theirs.status_code
    if ours.is_success:
        assert ours.json()["user_id"] == theirs.json()["user_id"]
        assert ids(ours.json()) == ids(theirs.json())
    else:
        assert ours.json() == theirs.json()


def test_excluded_articles_are_left_out(client):
    first, second, third, *_ = ids(recommended(client))
    answer = recommended(client, exclude=[f"{first},{second}", third, "never-heard-of"])
    assert not {first, second, third} & set(ids(answer))
    assert len(ids(answer)) == 10


def test_a_section_is_kept_to(client):
    items = recommended(client, section="food", limit=8)["items"]
    assert len(items) == 8
    assert {item["section"] for item in items} == {"food"}
    assert recommended(client, section="no such section")["items"] == []


def test_the_article_being_read_is_not_recommended(client):
    reading = ids(recommended(client))[0]
    answer = recommended(client, page="article", context_article=reading, device="mobile", subscriber="true", limit=100)
    assert reading not in ids(answer)
    assert len(ids(answer)) > 40


def test_every_live_article_can_be_asked_for(client):
    assert set(ids(recommended(client, "nobody", limit=100))) == {article_id(n) for n in range(ARTICLES)}


def test_a_preview_leaves_no_trace(client):
    assert recommended(client, "passer-by", log="false")["impression_id"] is None
    assert_problem(client.get("/v1/users/passer-by"), 404)
    assert recommended(client, "passer-by")["impression_id"]
    assert client.get("/v1/users/passer-by").json()["served"] == 1


@pytest.mark.parametrize(
    ("query", "word"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=many", "limit"), ("page=cover", "page"),
     ("explain=perhaps", "explain"), (f"context_article={'x' * 129}", "context_article"), ("device=%00", "device")],
)  # fmt: skip
def test_wrong_questions_are_refused(client, query, word):
    problem = assert_problem(client.get(f"/v1/users/u1/recommendations?{query}"), 422, word)
    assert problem["errors"][0]["where"] == f"query.{word}"


def test_a_user_id_has_a_limit(client):
    assert_problem(client.get(f"/v1/users/{'x' * 129}/recommendations"), 422, "user_id")
    assert recommended(client, "x" * 128)["items"]


def test_the_publishers_own_list_is_put_in_order(client, newspaper):
    own = [article_id(number) for number in range(12)]
    answer = client.post("/v1/users/u1/rank", json={"article_ids": own, "context": {"page": "front"}}).json()
    assert (answer["user_id"], answer["model_version"]) == ("u1", newspaper.live)
    scores = [item["score"] for item in answer["items"]]
    assert sorted(ids(answer)) == sorted(own)
    assert scores == sorted(scores, reverse=True)
    assert [item["position"] for item in answer["items"]] == list(range(1, 13))
    assert all(0 < score < 1 for score in scores)


def test_readers_of_different_taste_get_different_orders(client):
    own = [article_id(number) for number in range(40)]
    tops = []
    for reader in ("u0", "u1", "u2", "u3"):
        items = client.post(f"/v1/users/{reader}/rank", json={"article_ids": own}).json()["items"]
        tops.append(tuple(item["article_id"] for item in items[:5]))
    assert len(set(tops)) == 4


def test_a_list_with_strangers_or_repetitions_is_refused(client):
    rank = "/v1/users/u1/rank"
    assert_problem(client.post(rank, json={"article_ids": ["a1", "who"]}), 404, "who", "PUT")
    assert_problem(client.post(rank, json={"article_ids": ["a1", "a1"]}), 422, "twice")
    assert_problem(client.post(rank, json={"article_ids": []}), 422, "article_ids")
    client.delete("/v1/articles/a1")
    assert_problem(client.post(rank, json={"article_ids": ["a1", "a2"]}), 404, "a1")


def test_an_article_can_be_ranked_in_the_moment_after_it_came(client):
    client.put("/v1/articles/brand-new", json={"title": "A telescope sees the first glacier"})
    answer = client.post("/v1/users/u1/rank", json={"article_ids": ["brand-new", "a1"]})
    assert answer.status_code == 200
    assert set(ids(answer.json())) == {"brand-new", "a1"}


def test_the_made_readers_find_their_section(client):
    """The model learnt something: readers get more of their favourite section than others do."""
    own = [article_id(number) for number in range(ARTICLES)]
    hits = 0
    for reader in range(8):
        ranked = client.post(f"/v1/users/u{reader}/rank", json={"article_ids": own}).json()
        sections = [section_of(int(found[1:])) for found in ids(ranked)[:8]]
        hits += sections.count(section_of(reader))
    assert hits > 8 * 8 / 4


def test_an_excluded_id_that_no_database_takes_is_refused(client):
    assert_problem(client.get("/v1/users/ann/recommendations?exclude=%00"), 422, "zero")
