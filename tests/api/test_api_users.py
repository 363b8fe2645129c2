"""What is known of a user, and that it can be erased."""

from api_calls import assert_problem, event, recommended, send


def test_a_history_is_told_newest_first(client):
    send(client, event(user="ann", article="a1"))
    send(client, event(user="ann", article="a2"))
    user = client.get("/v1/users/ann").json()
    assert [past["article_id"] for past in user["history"]] == ["a2", "a1"]
    assert user["history"][0]["title"].endswith("case 2")
    assert user["history"][0]["at"].endswith("Z")
    assert (user["user_id"], user["clicks"], user["served"]) == ("ann", 2, 0)
    assert len(client.get("/v1/users/ann?limit=1").json()["history"]) == 1


def test_an_erased_user_is_a_stranger(client):
    before = client.get("/v1/users/u1").json()
    assert before["clicks"] > 0
    assert before["impressions"] > 0
    assert client.delete("/v1/users/u1").status_code == 204
    assert_problem(client.get("/v1/users/u1"), 404, "u1")
    assert_problem(client.delete("/v1/users/u1"), 404, "u1")
    answer = recommended(client, "u1", log="false", explain="true")
    assert answer["items"]
    assert all(item["explanation"]["because"] == [] for item in answer["items"])
    (change,) = client.get("/v1/audit?action=user.erase").json()["changes"]
    assert (change["who"], change["details"]) == ("local", {})
    assert change["subject"].isdecimal()  # and not the id


def test_a_stranger_is_not_made_up(client):
    assert_problem(client.get("/v1/users/nobody"), 404, "nobody")
