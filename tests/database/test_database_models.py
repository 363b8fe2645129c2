"""Model versions: what is live, and the way back, more than once."""

import pytest

from recsys.database import models
from recsys.database.session import writing
from recsys.domain import RecsysError


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        for at, version in enumerate(["v1", "v2", "v3"]):
            models.add_version(opened, version=version, at=at, since=None, until=at, metrics={"auc": 0.5 + at / 10})
        yield opened


def promote(session, *versions):
    for version in versions:
        models.promote(session, version, at=10.0, reason="better")


def test_versions_are_listed_oldest_first_and_found_by_name(session):
    models.add_version(session, version="v0", at=-1.0, since=1.0, until=2.0, metrics={})
    assert [row.version for row in models.versions(session)] == ["v0", "v1", "v2", "v3"]
    assert models.get_version(session, "v2").metrics == {"auc": 0.6}
    assert models.get_version(session).version == "v3"
    assert models.get_version(session, "v1").status == "candidate"


def test_an_unknown_version_is_a_sentence(session):
    for use in (
        lambda: models.get_version(session, "v9"),
        lambda: models.promote(session, "v9", at=1.0, reason=""),
        lambda: models.reject(session, "v9", ""),
    ):
        with pytest.raises(RecsysError, match=r"v9.*recsys models"):
            use()


def test_without_any_version_it_says_what_to_run(sessions):
    with sessions() as session, pytest.raises(RecsysError, match="recsys train"):
        models.get_version(session)


def test_nothing_is_live_before_the_first_promotion(session):
    assert models.live_version(session) is None
    with pytest.raises(RecsysError, match="roll back"):
        models.rollback(session, at=1.0)
    assert models.live_version(session) is None


def test_the_last_promoted_is_live(session):
    promote(session, "v1")
    assert models.live_version(session) == "v1"
    promote(session, "v2")
    assert models.live_version(session) == "v2"
    row = models.get_version(session, "v2")
    assert (row.status, row.reason) == ("promoted", "better")


def test_rolling_back_twice_goes_two_steps_and_not_to_and_fro(session):
    promote(session, "v1", "v2", "v3")
    assert models.rollback(session, at=20.0) == "v2"
    assert models.live_version(session) == "v2"
    assert models.rollback(session, at=21.0) == "v1"
    assert models.live_version(session) == "v1"
    with pytest.raises(RecsysError, match="roll back"):
        models.rollback(session, at=22.0)
    assert models.live_version(session) == "v1"


def test_a_promotion_after_a_rollback_leads_back_to_what_was_live(session):
    promote(session, "v1", "v2")
    models.rollback(session, at=20.0)
    promote(session, "v3")
    assert models.rollback(session, at=21.0) == "v1"


def test_promoting_what_is_live_changes_nothing(session):
    promote(session, "v1", "v2", "v2")
    assert models.rollback(session, at=20.0) == "v1"


def test_a_version_may_be_live_again(session):
    promote(session, "v1", "v2", "v1")
    assert models.live_version(session) == "v1"
    assert models.rollback(session, at=20.0) == "v2"
    assert models.rollback(session, at=21.0) == "v1"


def test_a_rejected_version_keeps_the_reason_and_is_not_live(session):
    promote(session, "v1")
    models.reject(session, "v2", "nDCG@10 fell by .02")
    row = models.get_version(session, "v2")
    assert (row.status, row.reason) == ("rejected", "nDCG@10 fell by .02")
    assert models.live_version(session) == "v1"


def test_figures_are_added_to_those_recorded(sessions, session):
    models.set_metrics(session, "v1", {"mrr": 0.4})
    models.set_metrics(session, "v1", {"mrr": 0.45, "ndcg@10": 0.3})
    session.commit()
    with sessions() as fresh:
        assert models.get_version(fresh, "v1").metrics == {"auc": 0.5, "mrr": 0.45, "ndcg@10": 0.3}
