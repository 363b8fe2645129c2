"""A click heard of twice, from its impression and from a history, is one click."""

from dataclasses import replace
from itertools import permutations

import pytest

from recsys.database import events, stretches
from recsys.database.session import writing
from recsys.domain import Click

LIST = Click("list", "ann", "a", 100.0, "i1", known_at=130.0)
READING = Click("reading", "ann", "a", 131.0, known_at=900.0, backfilled=True)


def log(sessions, clicks, together=False):
    """Backfilled and known_at of what is in the log after writing these clicks in this order."""
    for batch in [clicks] if together else [[click] for click in clicks]:
        with writing(sessions) as session:
            events.add_clicks(session, batch)
    with sessions() as session:
        found = stretches.read_log(session).clicks
    return list(zip(found.backfilled.tolist(), found.known_at.tolist(), strict=True))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("at", [100.0, 130.0, 132.0], ids=["dated by the list", "by the click", "by the page"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_copy_under_another_id_is_the_same_click(sessions, order, at, together):
    clicks = [LIST, replace(READING, at=at)][::order]
    assert log(sessions, clicks, together) == [(0, 130.0)]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("other", [{"at": 99.0}, {"at": 133.0}, {"user_id": "bob"}, {"article_id": "b"}])
def test_another_time_reader_or_article_is_another_click(sessions, order, other):
    clicks = [LIST, replace(READING, **other)][::order]
    assert log(sessions, clicks) == [(0, 130.0), (1, 900.0)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_equal_histories_the_first_known_counts_in_any_order(sessions, order):
    clicks = [replace(READING, known_at=known_at) for known_at in (900.0, 500.0, 700.0)]
    assert log(sessions, [clicks[place] for place in order]) == [(1, 500.0)]


def test_two_clicks_from_impressions_stay_two(sessions):
    assert log(sessions, [LIST, replace(LIST, event_id="again", at=110.0)]) == [(0, 130.0), (0, 130.0)]


def test_writing_counts_what_is_new(sessions):
    with writing(sessions) as session:
        assert events.add_clicks(session, [READING]) == 1
        assert events.add_clicks(session, [LIST]) == 1
        assert events.add_clicks(session, [READING, LIST]) == 0
        assert events.add_clicks(session, []) == 0
        assert events.counts(session)["clicks"] == 1
