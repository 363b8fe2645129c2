"""What a running process does when the database is written by others, and when settings or models are unusual."""

import time
from dataclasses import replace

import numpy as np
import pytest
from api_calls import assert_problem, ids, recommended, until
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from api.app import create_app
from recsys.database import events, stretches
from recsys.database.session import open_sessions, writing
from recsys.domain import Click, Impression
from recsys.encoders import expected_ids
from recsys.serving.live import Live


def assert_as_fresh(client, site, totals):
    """The process's state becomes, to the bit, what a fresh process reads from the log."""
    running = client.app.state.running
    until(lambda: running.live.world.state.totals.sum() == totals, 30)
    fresh = Live(running.sessions, site, expected_ids(site))
    for followed, read in zip(running.live.world.state, fresh.world.state, strict=True):
        np.testing.assert_array_equal(followed, read)


@pytest.mark.parametrize("hours_ago", [0.0, 5.0])
def test_a_log_imported_by_another_process_is_folded(client, site, hours_ago):
    before = client.app.state.running.live.world.state.totals.sum()
    at = time.time() - hours_ago * 3600
    with writing(open_sessions(site)) as session:
        events.add_impressions(session, [Impression("late", "u5", at, ("a1", "a2", "a3"))])
        events.add_clicks(session, [Click("late", "u5", "a2", at, "late", at + 0.001)])
    assert_as_fresh(client, site, before + 4)


def test_while_the_database_does_not_answer_the_process_tries_on(client, site, monkeypatch):
    live, failures = client.app.state.running.live, []

    def away(*_args, **_named):
        failures.append(1)
        raise OperationalError("SELECT", {}, Exception("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(stretches, "read_new", away)
        until(lambda: len(failures) > 1, 30)
    before = live.world.state.totals.sum()
    with writing(open_sessions(site)) as session:
        events.add_impressions(session, [Impression("after", "u5", time.time(), ("a1", "a2"))])
    assert_as_fresh(client, site, before + 2)


def test_served_lists_count_as_seen_where_the_settings_say_so(site):
    with TestClient(create_app(site.model_copy(update={"served_is_seen": True}))) as client:
        recommended(client, "ann", limit=4)
        assert client.get("/v1/users/ann").json()["impressions"] == 1
        recommended(client, "ann", limit=4, log="false")
        assert client.get("/v1/users/ann").json()["impressions"] == 1


def test_a_model_of_a_log_without_impressions_recommends_but_ranks_nothing(client):
    live = client.app.state.running.live
    live.model = replace(live.model, heads=None)
    answer = recommended(client, limit=5)
    assert len(ids(answer)) == 5
    assert sum(item["score"] for item in answer["items"]) == pytest.approx(1, abs=1e-3)
    assert_problem(client.post("/v1/users/u1/rank", json={"article_ids": ["a1"]}), 409, "impressions")


def test_a_process_that_starts_does_not_know_the_future(site):
    with writing(open_sessions(site)) as session:
        events.add_impressions(session, [Impression("tomorrow", "u5", time.time() + 3600, ("a1", "a2"))])
    everything = Live(open_sessions(site), site, expected_ids(site)).world.state.totals.sum()
    with TestClient(create_app(site)) as client:
        assert client.app.state.running.live.world.state.totals.sum() == everything - 2
