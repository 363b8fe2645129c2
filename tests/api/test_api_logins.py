"""Readers log in, and robots are kept out, over HTTP."""

import threading

from api_calls import assert_problem, event, ids, recommended, seen, send, until


def log_in(client, user, into):
    answer = client.post(f"/v1/users/{user}/merge", json={"into": into})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_histories_become_one_and_the_next_answer_knows_both(client):
    first, second, *_ = ids(recommended(client, "phone"))
    send(client, event(user="phone", article=first), event(user="ann", article=second))
    assert log_in(client, "phone", "ann") == {
        "user_id": "phone", "into": "ann", "clicks": 1, "impressions": 0, "served": 1,
    }  # fmt: skip
    for user in ("ann", "phone"):
        assert not {first, second} & set(ids(recommended(client, user, limit=100)))
        told = client.get(f"/v1/users/{user}").json()
        assert (told["user_id"], told["aliases"], told["clicks"]) == ("ann", ["phone"], 2)
        assert {past["article_id"] for past in told["history"]} == {first, second}
    assert log_in(client, "phone", "ann") == {
        "user_id": "phone", "into": "ann", "clicks": 0, "impressions": 0, "served": 0,
    }  # fmt: skip


def test_a_phone_that_still_sends_the_old_id_loses_nothing(client):
    answer = recommended(client, "phone", limit=4)
    log_in(client, "phone", "ann")
    read, also = ids(answer)[:2]
    within = {"impression_id": answer["impression_id"]}
    late = [event(user="phone", article=read, **within), event(user="ann", article=also, **within)]
    assert send(client, *late) == {"accepted": 2, "duplicates": 0, "rejected": []}
    assert send(client, *late)["duplicates"] == 2
    assert send(client, event("dwell", user="phone", article=also, dwell_seconds=7))["accepted"] == 1
    assert send(client, seen(ids(answer), user="phone"))["accepted"] == 1
    stranger = send(client, event(user="bob", article=read, **within))
    assert "another user" in stranger["rejected"][0]["reason"]
    told = client.get("/v1/users/ann").json()
    assert (told["clicks"], told["impressions"], told["served"]) == (2, 2, 1)
    later = recommended(client, "phone", limit=4)
    assert later["user_id"] == "phone"
    assert client.get("/v1/users/ann").json()["served"] == 2


def test_what_cannot_be_merged_is_said(client):
    assert_problem(client.post("/v1/users/nobody/merge", json={"into": "u1"}), 404, "nobody")
    assert_problem(client.post("/v1/users/u1/merge", json={"into": "u1"}), 409, "itself")
    assert_problem(client.post("/v1/users/u1/merge", json={"into": ""}), 422, "into")
    log_in(client, "u1", "somebody new")
    assert client.get("/v1/users/somebody new").json()["aliases"] == ["u1"]
    assert_problem(client.post("/v1/users/u1/merge", json={"into": "u2"}), 409, "'somebody new'", "anonymous id")


def test_erasing_one_id_erases_the_person(client):
    log_in(client, "u1", "u2")
    assert client.delete("/v1/users/u1").status_code == 204
    for user in ("u1", "u2"):
        assert_problem(client.get(f"/v1/users/{user}"), 404, user)
    assert_problem(client.delete("/v1/users/u2"), 404)


def test_both_ways_at_once_while_both_read_on(client):
    failures = []

    def go(user, other):
        for turn in range(5):
            sent = send(client, event(user=user, article=f"a{turn}"), seen(["a1", "a2"], user=user))
            if sent["accepted"] != 2:
                failures.append(sent)
            if turn == 2:
                log_in(client, user, other)

    threads = [threading.Thread(target=go, args=pair) for pair in (("left", "right"), ("right", "left"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    told = client.get("/v1/users/left").json()
    assert told == client.get("/v1/users/right").json()
    assert (told["clicks"], told["impressions"]) == (10, 10)


def test_a_flagged_robot_is_answered_and_not_counted(client):
    assert client.put("/v1/users/crawler/robot").status_code == 204
    assert client.put("/v1/users/crawler/robot").status_code == 204
    state = client.app.state.running.live.world.state
    before = state.totals.sum()
    for turn in range(3):
        answer = recommended(client, "crawler")
        first = ids(answer)[0]
        send(client, event(user="crawler", article=first, impression_id=answer["impression_id"]))
        assert first not in ids(recommended(client, "crawler"))
        assert turn < 3
    send(client, event(user="ann", article="a1"))
    until(lambda: client.app.state.running.live.world.state.totals.sum() == before + 1, 30)
    told = client.get("/v1/users/crawler").json()
    assert (told["robot"], told["clicks"], told["impressions"]) == (True, 3, 3)
    assert client.delete("/v1/users/crawler/robot").status_code == 204
    assert client.get("/v1/users/crawler").json()["robot"] is False
    assert client.get("/v1/users/ann").json()["robot"] is False
    assert_problem(client.delete("/v1/users/nobody/robot"), 404, "nobody")
