"""Two ids turn out to be one article: over HTTP the old one goes on meaning the new one."""

import numpy as np
import pytest
from api_calls import assert_problem, event, ids, recommended, seen, send, until
from fastapi.testclient import TestClient

from recsys.database import articles
from recsys.encoders import expected_ids
from recsys.serving.live import Live


def merge(client, article, into):
    answer = client.post(f"/v1/articles/{article}/merge", json={"into": into})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_old_id_leads_to_the_article_that_goes_on(client):
    client.put("/v1/articles/new home", json={"title": "The story in its new place", "section": "food"})
    assert merge(client, "a1", "new home") == {"article_id": "a1", "into": "new home"}
    gone = client.get("/v1/articles/a1", follow_redirects=False)
    assert_problem(gone, 301, "'a1'", "'new home'")
    assert gone.headers["location"] == "/v1/articles/new%20home"
    assert client.get("/v1/articles/a1").json()["article_id"] == "new home"
    assert merge(client, "a2", "a3")["into"] == "a3"
    picture = client.get("/v1/articles/a2/image", follow_redirects=False)
    assert (picture.status_code, picture.headers["location"]) == (301, "/v1/articles/a3/image")
    assert client.get("/v1/articles/a2/image").headers["content-type"] == "image/png"
    near, same = (client.get(f"/v1/articles/{article}/similar").json() for article in ("a2", "a3"))
    assert near["article_id"] == "a2"
    assert ids(near) == ids(same) != []
    # the index may have been compacted between both answers: sums of other blocks differ in their last bits
    for old, new in zip(near["items"], same["items"], strict=True):
        assert old["similarity"] == pytest.approx(new["similarity"], abs=1e-5)


def test_below_a_proxys_path_the_old_id_leads_there_too(client):
    merge(client, "a1", "a2")
    below = TestClient(client.app, root_path="/news", headers=client.headers)
    gone = below.get("/news/v1/articles/a1", follow_redirects=False)
    assert gone.headers["location"] == "/news/v1/articles/a2"


def test_a_merged_id_is_not_written_or_deleted(client):
    merge(client, "a1", "a2")
    assert_problem(client.put("/v1/articles/a1", json={"title": "Again"}), 409, "'a1'", "'a2' instead")
    assert_problem(client.post("/v1/articles", json=[{"article_id": "n1"}, {"article_id": "a1"}]), 409, "'a2' instead")
    assert_problem(client.delete("/v1/articles/a1"), 409, "'a2' instead")
    assert_problem(client.get("/v1/articles/n1"), 404)
    assert client.get("/v1/articles/a2").status_code == 200


def test_what_cannot_be_merged_is_said(client):
    client.delete("/v1/articles/a9")
    merge(client, "a1", "a2")
    assert merge(client, "a1", "a2") == {"article_id": "a1", "into": "a2"}
    for article, into, status, word in [
        ("a3", "a3", 409, "itself"),
        ("a2", "a1", 409, "already"),
        ("a1", "a3", 409, "merge 'a2' into 'a3'"),
        ("nowhere", "a3", 404, "nowhere"),
        ("a3", "nowhere", 404, "nowhere"),
        ("a3", "a9", 404, "a9"),
    ]:
        assert_problem(client.post(f"/v1/articles/{article}/merge", json={"into": into}), status, word)
    assert_problem(client.post("/v1/articles/a3/merge", json={}), 422, "into")
    assert client.get("/v1/articles/a3", follow_redirects=False).status_code == 200


def test_whoever_read_the_old_one_has_read_the_new_one_from_the_next_answer_on(client):
    send(client, event(user="ann", article="a58"))
    first = ids(recommended(client, "ann", limit=100, log="false"))
    assert {"a57", "a59"} <= set(first)
    merge(client, "a58", "a59")
    answer = ids(recommended(client, "ann", limit=100))
    assert not {"a58", "a59"} & set(answer)
    merge(client, "a57", "a56")
    stranger = ids(recommended(client, "bob", limit=100, exclude="a57"))
    assert not {"a56", "a57"} & set(stranger)
    assert {"a59"} <= set(stranger)
    assert "a56" not in ids(recommended(client, "bob", limit=100, page="article", context_article="a57"))


def test_histories_and_rules_name_the_article_that_goes_on(client):
    send(client, event(user="ann", article="a1"))
    client.post("/v1/rules", json={"action": "pin", "article_id": "a1", "place": 1})
    merge(client, "a1", "a2")
    assert [past["article_id"] for past in client.get("/v1/users/ann").json()["history"]] == ["a2"]
    assert [rule["article_id"] for rule in client.get("/v1/rules").json()["rules"]] == ["a2"]


def test_a_publisher_may_go_on_ranking_the_old_id(client):
    merge(client, "a1", "a2")
    ranked = client.post("/v1/users/u1/rank", json={"article_ids": ["a3", "a1", "a2", "a4"]}).json()["items"]
    assert sorted(item["article_id"] for item in ranked) == ["a1", "a3", "a4"]
    assert [item["position"] for item in ranked] == [1, 2, 3]


def test_events_under_the_old_id_count_for_the_new_one_in_every_process(client, site):
    running = client.app.state.running

    def counted():
        return running.live.world.state.totals[keys["a2"]].tolist()

    with running.sessions() as session:
        keys = articles.keys_of(session, ["a1", "a2"])
    before = running.live.world.state.totals[list(keys.values())].sum(axis=0)
    merge(client, "a1", "a2")
    until(lambda: counted()[0] == before[0], 30)
    lists = counted()[1]
    shown = seen(["a1", "a5", "a2"], user="ann")
    sent = send(client, shown, event(user="ann", article="a1", impression_id=shown["event_id"]))
    assert sent == {"accepted": 2, "duplicates": 0, "rejected": []}
    until(lambda: counted() == [before[0] + 1, lists + 1], 30)
    assert send(client, event("dwell", user="ann", article="a2", dwell_seconds=9))["accepted"] == 1
    fresh = Live(running.sessions, site, expected_ids(site))
    for followed, read in zip(running.live.world.state, fresh.world.state, strict=True):
        np.testing.assert_array_equal(followed, read)
