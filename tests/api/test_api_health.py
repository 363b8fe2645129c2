"""Alive, ready, and what an API without a model can do."""

import time

import pytest
from api_calls import assert_problem, event, recommended, send, until
from fastapi.testclient import TestClient

from api.app import create_app
from api.routes import health
from recsys.database import models
from recsys.database.session import open_sessions, writing
from recsys.domain import RecsysError


def test_a_trained_site_becomes_ready(client, newspaper):
    assert client.get("/healthz").json() == {"status": "alive"}
    until(lambda: client.get("/readyz").status_code == 200, 30)
    assert client.get("/readyz").json() == {"status": "ready", "model_version": newspaper.live}


def test_a_process_that_falls_behind_goes_on_and_says_so(client, monkeypatch):
    monkeypatch.setattr(health, "BEHIND", 1.0)
    until(lambda: client.get("/readyz").status_code == 200, 30)
    with client.app.state.running.live._reading:  # as if the log were folded anew
        until(lambda: client.get("/readyz").json().get("behind", 0) > 1, 30)
        assert client.get("/readyz").status_code == 200
        assert recommended(client)["items"]
    until(lambda: "behind" not in client.get("/readyz").json(), 30)


def test_without_a_model_the_catalogue_and_events_work(bare):
    assert bare.get("/healthz").status_code == 200
    assert_problem(bare.get("/readyz"), 503, "recsys train")
    assert bare.put("/v1/articles/n1", json={"title": "First"}).status_code == 201
    assert send(bare, event(article="n1"))["accepted"] == 1
    assert bare.get("/v1/users/u1").json()["clicks"] == 1
    assert bare.get("/v1/models").json() == {"live": None, "experiment": None, "versions": []}


def test_without_a_model_recommendations_say_what_to_do(bare):
    bare.put("/v1/articles/n1", json={"title": "First"})
    for answer in (
        bare.get("/v1/users/u1/recommendations"),
        bare.get("/v1/articles/n1/similar"),
        bare.post("/v1/users/u1/rank", json={"article_ids": ["n1"]}),
    ):
        assert_problem(answer, 503, "recsys train")
        assert answer.headers["retry-after"]


def test_a_live_version_whose_files_are_damaged_is_named(site, newspaper):
    (site.snapshots / newspaper.live / "items.json").unlink()
    with TestClient(create_app(site), raise_server_exceptions=False) as client:
        for path in ("/readyz", "/v1/users/u1/recommendations"):
            problem = assert_problem(client.get(path), 503, f"snapshots/{newspaper.live}/items.json is missing")
            assert str(site.home) not in problem["detail"]  # which /readyz would tell everybody


def test_that_another_version_than_the_promoted_one_answers_is_told(site, newspaper):
    with TestClient(create_app(site), raise_server_exceptions=False) as client:
        assert "trouble" not in client.get("/readyz").json()
        with writing(open_sessions(site)) as session:
            models.add_version(session, version="gone", at=time.time(), since=None, until=None, metrics={})
            models.promote(session, "gone", time.time(), "by hand")
        until(lambda: "trouble" in client.get("/readyz").json(), 30)
        ready = client.get("/readyz").json()
    assert (ready["status"], ready["model_version"]) == ("ready", newspaper.live)
    assert "snapshots/gone" in ready["trouble"]
    assert str(site.home) not in ready["trouble"]


def test_without_a_schema_the_api_does_not_start(settings):
    with pytest.raises(RecsysError, match="recsys init"), TestClient(create_app(settings)):
        pass
