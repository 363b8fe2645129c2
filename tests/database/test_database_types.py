"""Times: what is stored and what is compared are rounded alike, so that no comparison changes by storing."""

import math

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from recsys.database import events, models, stretches
from recsys.database.session import writing
from recsys.database.tables import ImpressionRow
from recsys.database.types import MICROSECOND, storable
from recsys.domain import Impression

times = st.floats(0, 4e9)  # up to the year 2096


@given(times)
def test_a_storable_time_is_the_first_microsecond_from_then_on(time):
    assert 0 <= storable(time) - time < 1.5 * MICROSECOND
    assert storable(storable(time)) == storable(time)


@given(times, times | st.sampled_from([math.inf, -math.inf]))
def test_storing_changes_no_comparison(stored, time):
    stored = storable(stored)
    for bound in (time, stored, math.nextafter(stored, math.inf), math.nextafter(stored, -math.inf)):
        assert (stored < storable(bound)) == (stored < bound)
        assert (stored >= storable(bound)) == (stored >= bound)


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(time=times)
def test_any_time_is_read_back_as_it_was_stored(sessions, time):
    with writing(sessions) as session:
        events.add_impressions(session, [Impression(f"{time!r}", "ann", time, ("a",))])
        kept = storable(time)
        found = select(ImpressionRow.at, ImpressionRow.known_at).where(ImpressionRow.impression_id == f"{time!r}")
        assert session.execute(found).one() == (kept, kept)
        for until in (kept, math.nextafter(kept, -math.inf)):
            assert kept not in stretches.read_log(session, until=until).impressions.known_at
        window = stretches.read_log(session, since=time, until=math.nextafter(kept, math.inf))
        assert kept in window.impressions.known_at


def test_infinite_bounds_and_the_extremes_of_nothing(sessions):
    with writing(sessions) as session:
        assert session.scalar(select(func.max(ImpressionRow.known_at))) is None
        events.add_impressions(session, [Impression("i", "ann", 10.5, ("a",))])
        assert session.scalar(select(func.max(ImpressionRow.known_at))) == 10.5
        assert len(stretches.read_log(session, since=-math.inf, until=math.inf).impressions) == 1
        assert len(stretches.read_log(session, since=math.inf).impressions) == 0
        assert len(stretches.read_log(session, until=-math.inf).impressions) == 0


def test_figures_that_are_no_numbers_come_back(sessions):
    metrics = {"auc": math.nan, "confidence": {"auc": [-math.inf, math.inf]}, "clicks": 0, "note": "none"}
    with writing(sessions) as session:
        models.add_version(session, version="v", at=1.0, since=None, until=None, metrics=metrics)
    with sessions() as session:
        found = models.get_version(session, "v").metrics
    assert math.isnan(found.pop("auc"))
    assert found == {"confidence": {"auc": [-math.inf, math.inf]}, "clicks": 0, "note": "none"}


@pytest.mark.parametrize("length", [0, 1, 300])
def test_lists_of_any_length(sessions, length):
    with writing(sessions) as session:
        events.add_impressions(session, [Impression("i", "ann", 1.0, tuple(f"a{n}" for n in range(length)))])
        assert len(stretches.read_log(session).impressions.items) == length
