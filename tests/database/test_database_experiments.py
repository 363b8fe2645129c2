"""Experiments as the database tells them: begun, grown, ended, and over with a promotion."""

import pytest

from recsys.database import audit, experiments, models
from recsys.database.experiments import FROM_SETTING, Experiment
from recsys.database.session import Sessions, writing
from recsys.domain import NotKnownError, NotPossibleError


@pytest.fixture
def two(sessions: Sessions) -> Sessions:
    """The versions a, b and c, of which a is live."""
    with writing(sessions) as session:
        for version in "abc":
            models.add_version(session, version=version, at=0.0, since=None, until=None, metrics={})
        models.promote(session, "a", 1.0, "first")
    return sessions


def start(sessions: Sessions, version: str, share: float, at: float = 10.0, who: str = "ann") -> Experiment:
    with writing(sessions) as session:
        return experiments.start(session, version, share, at=at, who=who)


def running(sessions: Sessions) -> Experiment | None:
    with sessions() as session:
        return experiments.running(session)


def promote(sessions: Sessions, version: str, at: float) -> None:
    with writing(sessions) as session:
        models.promote(session, version, at, "a test wants it")


def test_none_runs_at_first(two: Sessions) -> None:
    assert running(two) is None


def test_one_runs_from_when_it_was_started(two: Sessions) -> None:
    start(two, "b", 0.1)
    assert running(two) == Experiment("b", 0.1, 10.0)


def test_the_same_again_changes_nothing_and_another_share_begins_anew(two: Sessions) -> None:
    start(two, "b", 0.1)
    assert start(two, "b", 0.1, at=20.0).since == 10.0
    start(two, "b", 0.3, at=30.0)
    assert running(two) == Experiment("b", 0.3, 30.0)
    start(two, "c", 0.5, at=40.0)
    assert running(two) == Experiment("c", 0.5, 40.0)


def test_it_ends_by_hand_and_not_twice(two: Sessions) -> None:
    start(two, "b", 0.1)
    with writing(two) as session:
        assert experiments.end(session, at=20.0, who="ann").version == "b"
    assert running(two) is None
    with writing(two) as session, pytest.raises(NotKnownError, match="No experiment"):
        experiments.end(session, at=30.0, who="ann")


def test_promotion_ends_it_and_no_rollback_brings_it_back(two: Sessions) -> None:
    start(two, "b", 0.1)
    promote(two, "c", 15.0)  # the other side of the comparison changed; it goes on
    assert running(two) == Experiment("b", 0.1, 10.0)
    promote(two, "b", 20.0)
    assert running(two) is None
    with writing(two) as session:
        assert models.rollback(session, 30.0) == "c"
    assert running(two) is None
    assert start(two, "b", 0.1, at=40.0).since == 40.0
    assert running(two) is not None


def test_a_version_that_was_live_long_ago_can_be_tried_again(two: Sessions) -> None:
    promote(two, "b", 5.0)
    start(two, "a", 0.1)
    assert running(two) == Experiment("a", 0.1, 10.0)


def test_what_cannot_share_the_traffic_is_refused(two: Sessions, sessions: Sessions) -> None:
    with pytest.raises(NotPossibleError, match="it is live already"):
        start(two, "a", 0.1)
    with pytest.raises(NotKnownError, match="no model version 'z'"):
        start(two, "z", 0.1)
    assert running(two) is None


def test_with_nothing_live_there_is_nothing_to_share(sessions: Sessions) -> None:
    with writing(sessions) as session:
        models.add_version(session, version="b", at=0.0, since=None, until=None, metrics={})
    with pytest.raises(NotPossibleError, match="no model is live yet"):
        start(sessions, "b", 0.1)


def test_who_did_it_is_noted(two: Sessions) -> None:
    start(two, "b", 0.1)
    start(two, "b", 0.1)
    with writing(two) as session:
        experiments.end(session, at=20.0, who="bob")
    with two() as session:
        rows = audit.newest(session, 10, action="experiment")
    assert [(row.who, row.action, row.subject) for row in rows] == [
        ("bob", "experiment.end", "b"),
        ("ann", "experiment.start", "b"),
    ]
    assert rows[1].details == {"share": 0.1}


def test_it_is_known_whether_the_setting_began_it(two: Sessions) -> None:
    start(two, "b", 0.1, who=FROM_SETTING)
    with two() as session:
        assert experiments.is_from_setting(session)
    start(two, "b", 0.2, who="ann")
    with two() as session:
        assert not experiments.is_from_setting(session)
