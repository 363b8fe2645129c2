"""Retraining over HTTP: asked for once, looked at while it runs and when it has ended."""

import time

from api_calls import assert_problem
from fastapi.testclient import TestClient

from recsys.database import jobs
from recsys.database.jobs import RETRAIN
from recsys.database.session import open_sessions, writing


def test_a_retraining_is_asked_for_and_followed_to_its_end(bare, settings):
    sessions = open_sessions(settings)
    asked = bare.post("/v1/retrain")
    assert (asked.status_code, asked.json()["status"]) == (202, "waiting")
    job_id = asked.json()["job_id"]
    assert asked.headers["location"] == f"/v1/jobs/{job_id}"
    assert bare.get(f"/v1/jobs/{job_id}").json()["status"] == "waiting"
    with writing(sessions) as session:
        assert jobs.take(session, RETRAIN, "host:1", time.time()) == job_id
        jobs.hear(session, job_id, "host:1", time.time(), {"stage": "towers", "done": 1, "total": 3})
    running = bare.get(f"/v1/jobs/{job_id}").json()
    assert (running["status"], running["owner"], running["result"]) == ("running", "host:1", None)
    assert running["progress"] == {"stage": "towers", "done": 1, "total": 3}
    assert running["created_at"] <= running["started_at"] <= running["heard_at"]
    with writing(sessions) as session:
        jobs.finish(session, job_id, "host:1", time.time(), {"version": "v", "metrics": {"auc": float("nan")}})
    done = bare.get(f"/v1/jobs/{job_id}").json()
    assert (done["status"], done["result"]) == ("done", {"version": "v", "metrics": {"auc": None}})
    assert [job["job_id"] for job in bare.get("/v1/jobs").json()["jobs"]] == [job_id]


def test_below_a_proxys_path_the_job_is_found_where_it_is_said_to_be(bare):
    below = TestClient(bare.app, root_path="/news")
    asked = below.post("/news/v1/retrain", headers={"host": "["})  # whatever name the client was told
    assert asked.headers["location"] == f"/news/v1/jobs/{asked.json()['job_id']}"
    assert below.get(asked.headers["location"]).json()["status"] == "waiting"


def test_a_second_one_is_refused_and_told_which_runs(bare):
    job_id = bare.post("/v1/retrain").json()["job_id"]
    problem = assert_problem(bare.post("/v1/retrain"), 409, job_id, "waiting for a worker")
    assert problem["job_id"] == job_id
    assert len(bare.get("/v1/jobs").json()["jobs"]) == 1


def test_a_job_whose_process_is_no_more_has_failed_though_no_worker_is_there_to_write_it(bare, settings):
    with writing(open_sessions(settings)) as session:
        dead = jobs.begin(session, RETRAIN, "other:1", time.time() - jobs.LEASE - 5)
    for job in (bare.get(f"/v1/jobs/{dead}").json(), *bare.get("/v1/jobs").json()["jobs"]):
        assert (job["status"], job["result"]) == ("failed", None)
        assert "(other:1) sent no heartbeat" in job["error"]
    assert bare.post("/v1/retrain").status_code == 202
    assert [job["status"] for job in bare.get("/v1/jobs").json()["jobs"]] == ["waiting", "failed"]


def test_a_job_that_is_not_there_is_named(bare):
    assert_problem(bare.get("/v1/jobs/nothing"), 404, "nothing")
    assert_problem(bare.get("/v1/jobs?limit=0"), 422, "limit")
