"""Events over HTTP: each counts once, wrong ones are named, and they meet what was served."""

import time

import numpy as np
import pytest
from api_calls import assert_problem, event, ids, now, recommended, seen, send
from sqlalchemy import select

from recsys.database import stretches, users
from recsys.database.session import open_sessions
from recsys.database.tables import ArticleRow, ClickRow, ImpressionRow
from recsys.pipeline.load import load_view
from recsys.training.grades import SETTLED, grades_of, has_dwell


def log_of(settings, row):
    sessions = open_sessions(settings)
    with sessions() as session:
        return list(session.scalars(select(row).order_by(row.position)))


def counts(client, user="u1"):
    known = client.get(f"/v1/users/{user}").json()
    return {name: known[name] for name in ("clicks", "dismissed", "impressions")}


def test_an_event_counts_once(client):
    click, list_seen = event(user="ann"), seen(["a1", "a2"], user="ann")
    assert send(client, click, list_seen) == {"accepted": 2, "duplicates": 0, "rejected": []}
    assert send(client, click, list_seen) == {"accepted": 0, "duplicates": 2, "rejected": []}
    again = event(user="ann")
    assert send(client, again, again)["duplicates"] == 1
    assert counts(client, "ann") == {"clicks": 2, "dismissed": 0, "impressions": 1}


def test_null_is_no_context(client):
    assert send(client, seen(["a1", "a2"], user="ann", context=None))["accepted"] == 1


WRONG = {
    "is not an object": ("click", "object"),
    "has no zone": (event(at="2026-03-22T07:00:00"), "timezone"),
    "has a number for a time": (event(at=1774162800), "2026-03-22T07:00:00Z"),
    "has seconds for a time": (event(at="1774162800"), "2026-03-22T07:00:00Z"),
    "has a day for a time": (event(at="2026-03-22"), "2026-03-22T07:00:00Z"),
    "is of tomorrow": (event(at=now(86400)), "future"),
    "is from before the web": (event(at="1950-01-01T00:00:00Z"), "1970"),
    "is of no type": (event("glance"), "type"),
    "names no type": ({k: v for k, v in event().items() if k != "type"}, "type: Field required"),
    "lacks its user": ({k: v for k, v in event().items() if k != "user_id"}, "user_id"),
    "has an empty id": (event(article=""), "article_id"),
    "has a long id": (event(article="x" * 129), "article_id"),
    "has a zero character": (event(article="a\0b"), "zero"),
    "has half a surrogate": (event(article="a\ud800"), "article_id"),
    "has a list for its list": (event(impression_id=["x"]), "impression_id"),
    "has an empty list": (seen([]), "items"),
    "is on an unheard-of page": (seen(["a1"], context={"page": "cover"}), "page"),
    "has a negative dwell time": (event(dwell_seconds=-1), "dwell_seconds"),
    "has no dwell time": (event("dwell"), "dwell_seconds"),
    "has an endless dwell time": (event("dwell", dwell_seconds=1e300), "dwell_seconds"),
    "is a dwell time without a click": (event("dwell", user="nobody", dwell_seconds=3), "no click"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_event_is_named_and_the_others_are_taken(client, what):
    wrong, word = WRONG[what]
    answer = send(client, event(user="ann"), wrong, event(user="ann", article="a2"))
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    (rejected,) = answer["rejected"]
    assert rejected["index"] == 1
    assert word in rejected["reason"]
    assert not rejected["reason"].startswith(":")
    assert counts(client, "ann")["clicks"] == 2


def test_not_a_number_is_no_dwell_time(client):
    body = '{"events": [{"event_id": "e", "type": "click", "user_id": "ann", "article_id": "a1", "at": "%s", '
    sent = (body + '"dwell_seconds": NaN}]}') % now()
    answer = client.post("/v1/events", content=sent, headers={"content-type": "application/json"}).json()
    assert "dwell_seconds" in answer["rejected"][0]["reason"]


def test_a_request_that_holds_no_events_is_refused(client):
    assert_problem(client.post("/v1/events", json={"events": "click"}), 422, "events")
    assert_problem(client.post("/v1/events", json=[]), 422)
    assert_problem(client.post("/v1/events", json={"events": [event()] * 1001}), 422, "1000")
    assert send(client) == {"accepted": 0, "duplicates": 0, "rejected": []}


def test_events_are_known_since_the_server_has_them(client, site):
    ahead, old = event(user="ann", at=now(30)), event(user="ann", article="a2", at="2026-01-05T10:00:00+01:00")
    assert send(client, ahead, old)["accepted"] == 2
    first, second = log_of(site, ClickRow)[-2:]
    assert first.at == first.known_at == second.known_at  # a clock that is ahead is set right
    assert second.at == 1767603600.0


def test_dwell_time_is_added_to_the_newest_click(client):
    send(client, event(user="ann"), event("dwell", user="ann", dwell_seconds=12.5))
    assert client.get("/v1/users/ann").json()["history"][0]["dwell_seconds"] == 12.5
    assert send(client, event("dwell", user="ann", dwell_seconds=40))["accepted"] == 1
    assert send(client, event("dwell", user="ann", dwell_seconds=12.5))["duplicates"] == 1
    assert client.get("/v1/users/ann").json()["history"][0]["dwell_seconds"] == 40


def test_a_reported_bounce_teaches_less_than_a_reading_and_moves_no_input(client, site):
    """Training weighs the click by it once it is settled; what serving and the fold know of the reader stays."""
    send(client, event(user="ann"), event(user="bob"), event("dismiss", user="ann", article="a2"))
    sessions, later = open_sessions(site), time.time() + 2 * SETTLED
    with sessions() as session:
        ann = users.key_of(session, "ann")
        before = load_view(session, ann, later)
    assert (
        send(client, *(event("dwell", user=u, dwell_seconds=s) for u, s in [("ann", 2), ("bob", 50)]))["accepted"] == 2
    )
    with sessions() as session:
        for mine, other in zip(load_view(session, ann, later), before, strict=True):
            np.testing.assert_array_equal(mine, other)
        clicks = stretches.read_log(session).clicks
    assert list(clicks.dwell[-3:-1]) == [2.0, 50.0]
    grades = grades_of(clicks, later, 0.5)
    assert 0.5 < grades[-3] / grades[-2] < 1.0
    assert grades[-1] == 1.0  # and of weight 0: a dismissal is no example at all
    assert clicks.weight[-1] == 0.0
    assert not has_dwell(clicks, time.time())[-3:].any()  # now it is too early to tell


def test_a_dismissed_article_is_not_recommended_again(client):
    dismissed = ids(recommended(client, "ann"))[0]
    assert send(client, event("dismiss", user="ann", article=dismissed))["accepted"] == 1
    assert dismissed not in ids(recommended(client, "ann", limit=100))
    assert dismissed in ids(recommended(client, "bob", limit=100))
    assert counts(client, "ann") == {"clicks": 0, "dismissed": 1, "impressions": 0}
    assert client.get("/v1/users/ann").json()["history"][0]["type"] == "dismiss"


def test_a_click_in_a_served_list_says_that_it_was_seen(client, site):
    answer = recommended(client, "ann", limit=5, page="front", device="tablet")
    assert counts(client, "ann")["impressions"] == 0
    send(client, event(user="ann", article=ids(answer)[2], impression_id=answer["impression_id"]))
    assert counts(client, "ann") == {"clicks": 1, "dismissed": 0, "impressions": 1}
    impression = log_of(site, ImpressionRow)[-1]
    assert (impression.impression_id, impression.page) == (answer["impression_id"], "front")
    assert len(impression.shown) == 5
    again = seen(ids(answer), user="ann", impression_id=answer["impression_id"])
    assert send(client, again)["duplicates"] == 1


def test_a_seen_list_merges_with_what_was_served(client, site):
    answer = recommended(client, "ann", limit=8, page="article", context_article="a3", device="tablet")
    visible = ids(answer)[:3]
    report = seen(visible, user="ann", impression_id=answer["impression_id"], context={"device": "mobile"})
    assert send(client, report)["accepted"] == 1
    impression = log_of(site, ImpressionRow)[-1]
    assert impression.impression_id == answer["impression_id"]
    assert (impression.page, impression.device) == ("article", "mobile")  # what the client does not say was known
    with open_sessions(site)() as session:
        names = {row.key: row.article_id for row in session.scalars(select(ArticleRow))}
    assert [names[key] for key in impression.shown] == visible
    assert names[impression.context_article] == "a3"
    send(client, event(user="ann", article=visible[0], impression_id=answer["impression_id"]))
    assert counts(client, "ann") == {"clicks": 1, "dismissed": 0, "impressions": 1}


def test_nobody_answers_for_somebody_elses_list(client):
    answer = recommended(client, "ann")
    theft = event(user="bob", article=ids(answer)[0], impression_id=answer["impression_id"])
    (rejected,) = send(client, theft)["rejected"]
    assert "another user" in rejected["reason"]
    assert counts(client, "ann")["impressions"] == 0


def test_nobody_takes_a_list_by_giving_its_id_to_an_event(client, site):
    answer = recommended(client, "ann", limit=3, page="front")
    theft = seen(ids(answer), user="bob", event_id=answer["impression_id"])
    (rejected,) = send(client, theft)["rejected"]
    assert "another user" in rejected["reason"]
    own = seen(ids(answer), user="ann", event_id=answer["impression_id"])
    assert send(client, own)["accepted"] == 1
    assert log_of(site, ImpressionRow)[-1].page == "front"  # as it was served


@pytest.mark.parametrize("together", [True, False])
def test_nobody_clicks_in_a_list_that_somebody_elses_client_sent(client, together):
    shown = seen(["a1", "a2"], user="ann", impression_id="anns")
    clicks = [event(user="bob", article="a1", impression_id="anns"), seen(["a1"], user="bob", impression_id="anns")]
    if together:
        rejected = send(client, *clicks[:1], shown, *clicks[1:])["rejected"]
    else:
        send(client, shown)
        rejected = send(client, *clicks)["rejected"]
    assert len(rejected) == 2
    assert all("another user" in one["reason"] for one in rejected)
    assert client.get("/v1/users/bob").status_code == 404


def test_a_click_on_what_a_clients_own_list_did_not_hold_counts_for_the_reader_alone(client, site):
    send(client, seen(["a1", "a2"], user="ann", impression_id="anns"))
    strange, held = (event(user="ann", article=article, impression_id="anns") for article in ("a3", "a2"))
    assert send(client, strange, held)["accepted"] == 2
    assert [row.impression_id for row in log_of(site, ClickRow)[-2:]] == [None, "anns"]


def test_a_click_on_what_its_list_did_not_hold_counts_for_the_reader_alone(client, site):
    answer = recommended(client, "ann", limit=3)
    strange = next(article for article in ("a1", "a2", "a3", "a4") if article not in ids(answer))
    click = event(user="ann", article=strange, impression_id=answer["impression_id"])
    assert send(client, click)["accepted"] == 1
    assert send(client, click)["duplicates"] == 1
    assert counts(client, "ann") == {"clicks": 1, "dismissed": 0, "impressions": 0}
    assert log_of(site, ClickRow)[-1].impression_id is None
    send(client, event(user="ann", article=ids(answer)[1], impression_id=answer["impression_id"]))
    assert counts(client, "ann") == {"clicks": 2, "dismissed": 0, "impressions": 1}
    assert log_of(site, ClickRow)[-1].impression_id == answer["impression_id"]


def test_a_click_on_what_the_client_showed_besides_is_one_in_the_list(client, site):
    answer = recommended(client, "ann", limit=3)
    own = next(article for article in ("a1", "a2", "a3", "a4") if article not in ids(answer))
    shown = seen([own, *ids(answer)], user="ann", impression_id=answer["impression_id"])
    click = event(user="ann", article=own, impression_id=answer["impression_id"])
    assert send(client, shown, click)["accepted"] == 2
    assert log_of(site, ClickRow)[-1].impression_id == answer["impression_id"]


@pytest.mark.parametrize("served_first", [True, False])
def test_a_click_on_an_article_by_its_other_id_is_one_in_the_list(client, site, served_first):
    first = recommended(client, "ann", limit=3)
    old, into = ids(first)[0], "a1" if ids(first)[0] != "a1" else "a2"
    if served_first:
        client.post(f"/v1/articles/{old}/merge", json={"into": into})
        answer = first
    else:
        client.post(f"/v1/articles/{into}/merge", json={"into": old})
        answer, old, into = first, into, old
    send(client, event(user="ann", article=old, impression_id=answer["impression_id"]))
    send(client, event(user="ann", article=into, impression_id=answer["impression_id"]))
    assert [row.impression_id for row in log_of(site, ClickRow)[-2:]] == [answer["impression_id"]] * 2


def test_a_click_on_what_the_catalogue_does_not_know_is_remembered(client):
    assert send(client, event(user="ann", article="not-yet-there"))["accepted"] == 1
    (past,) = client.get("/v1/users/ann").json()["history"]
    assert (past["article_id"], past["title"]) == ("not-yet-there", None)
    assert recommended(client, "ann")["items"]
