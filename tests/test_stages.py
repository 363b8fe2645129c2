"""The stopwatch measures only for who records, adds up, and tells those around as well."""

import threading

import pytest

from recsys.stages import recording, stage


def test_nothing_is_kept_unless_somebody_records() -> None:
    with stage("score"):
        pass
    with recording() as seconds:
        pass
    assert seconds == {}


def test_a_stage_that_is_entered_again_adds_up() -> None:
    with recording() as seconds:
        with stage("score"):
            pass
        first = seconds["score"]
        with stage("score"):
            pass
        with stage("select"):
            pass
    assert seconds.keys() == {"score", "select"}
    assert seconds["score"] > first > 0


def test_who_records_around_gets_it_too_and_other_threads_do_not() -> None:
    with recording() as around:
        with recording() as inside, stage("log"):
            pass
        threading.Thread(target=lambda: stage("hydrate").__enter__()).start()
    assert around == inside
    assert around.keys() == {"log"}


def test_what_fails_took_its_time_as_well() -> None:
    with recording() as seconds, pytest.raises(KeyError), stage("retrieve"):
        {}["nothing"]
    assert seconds["retrieve"] > 0
