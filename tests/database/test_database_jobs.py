"""Jobs: one of a kind at a time, held by heartbeats, and lost by silence."""

import time

import pytest
from sqlalchemy import text

from recsys.database import jobs
from recsys.database.jobs import LEASE, LostError, OneRunsError
from recsys.database.session import Sessions, writing
from recsys.domain import NotKnownError

KIND, ONE, TWO = "retrain", "host:1", "other:2"


def call(sessions: Sessions, name: str, *arguments: object) -> object:
    with writing(sessions) as session:
        return getattr(jobs, name)(session, *arguments)


def row(sessions: Sessions, job_id: str) -> jobs.JobRow:
    with sessions() as session:
        return jobs.get(session, job_id)


def test_a_job_is_asked_for_taken_and_ended(sessions: Sessions) -> None:
    job = call(sessions, "ask", KIND, 10.0)
    assert row(sessions, job).status == "waiting"
    assert call(sessions, "take", KIND, ONE, 11.0) == job
    call(sessions, "hear", job, ONE, 12.0, {"stage": "towers", "done": 1, "total": 3})
    running = row(sessions, job)
    assert (running.status, running.owner, running.heard_at) == ("running", ONE, 12.0)
    assert running.progress == {"stage": "towers", "done": 1, "total": 3}
    call(sessions, "finish", job, ONE, 13.0, {"version": "v"})
    done = row(sessions, job)
    assert (done.status, done.result, done.error, done.finished_at) == ("done", {"version": "v"}, None, 13.0)
    assert call(sessions, "take", KIND, ONE, 14.0) is None


def test_a_second_one_is_refused_with_the_id_of_the_first(sessions: Sessions) -> None:
    job = call(sessions, "ask", KIND, 10.0)
    for state in ("waiting for a worker", f"running on {ONE}"):
        with pytest.raises(OneRunsError, match=state) as refused:
            call(sessions, "ask", KIND, 11.0)
        assert refused.value.job_id == job
        call(sessions, "take", KIND, ONE, 11.0)
    with pytest.raises(OneRunsError, match="One retrain at a time"):
        call(sessions, "begin", KIND, TWO, 12.0)
    assert call(sessions, "take", KIND, TWO, 12.0) is None
    with sessions() as session:
        assert len(jobs.newest(session, 10)) == 1


def test_begin_takes_the_one_that_waits_or_makes_one(sessions: Sessions) -> None:
    job = call(sessions, "ask", KIND, 10.0)
    assert call(sessions, "begin", KIND, ONE, 11.0) == job
    call(sessions, "finish", job, ONE, 12.0, "no room")
    assert (row(sessions, job).status, row(sessions, job).error) == ("failed", "no room")
    other = call(sessions, "begin", KIND, TWO, 13.0)
    assert other != job
    assert row(sessions, str(other)).owner == TWO


def test_silence_loses_a_job_and_its_owner_can_change_nothing_any_more(sessions: Sessions) -> None:
    job = call(sessions, "begin", KIND, ONE, 10.0)
    call(sessions, "hear", job, ONE, 20.0)
    with pytest.raises(OneRunsError):
        call(sessions, "ask", KIND, 20.0 + LEASE)
    other = call(sessions, "begin", KIND, TWO, 21.0 + LEASE)
    assert row(sessions, str(job)).status == "failed"
    assert f"({ONE}) sent no heartbeat for 61 seconds" in (row(sessions, str(job)).error or "")
    for late in (("hear", job, ONE, 99.0), ("finish", job, ONE, 99.0, {}), ("hand_back", job, ONE)):
        with pytest.raises(LostError, match="not run by host:1 any more"):
            call(sessions, *late)
    assert row(sessions, str(other)).status == "running"


def test_a_stopped_one_waits_for_another_process(sessions: Sessions) -> None:
    job = call(sessions, "begin", KIND, ONE, 10.0)
    with sessions() as session:
        assert not jobs.waits(session, KIND, 11.0)
        assert jobs.waits(session, KIND, 11.0 + LEASE)  # by then it was abandoned
    call(sessions, "hand_back", job, ONE)
    with sessions() as session:
        assert jobs.waits(session, KIND, 11.0)
        assert jobs.running(session, KIND) is None
    assert call(sessions, "take", KIND, TWO, 12.0) == job


def test_the_clock_goes_on_within_a_transaction_and_is_a_servers_own(sessions: Sessions) -> None:
    with sessions() as session:
        first, there = jobs.clock(session), time.time()
        if session.get_bind().dialect.name == "postgresql":
            there = float(session.scalar(text("SELECT extract(epoch FROM clock_timestamp())")))
        assert first <= there <= jobs.clock(session)


def test_an_unknown_job_is_named(sessions: Sessions) -> None:
    with sessions() as session, pytest.raises(NotKnownError, match="no job 'x'"):
        jobs.get(session, "x")
