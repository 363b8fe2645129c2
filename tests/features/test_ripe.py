"""Lists are examples once nearly all of their clicks are known, however late these come."""

from collections.abc import Iterator
from dataclasses import replace

import made_world
import numpy as np
import pytest
from made_week import made_week

from recsys.columns import NONE, EventLog, between
from recsys.features.ripe import KNOWN, delays, end, ripe_until
from recsys.training.fit import TrainingSet, head_inputs
from recsys.training.towers import FitConfig

END = made_world.START + 3 * made_world.DAY
LATE = 8 * made_world.HOUR


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSet]:
    yield from made_week(tmp_path_factory.mktemp("ripe") / "home", END)


def delayed(data: TrainingSet, seconds: float) -> TrainingSet:
    """The same week, but every click in a list becomes known so much later, if at all before the end."""
    clicks = data.log.clicks
    known_at = clicks.known_at + seconds * (clicks.impression != NONE)
    order = np.argsort(known_at, kind="stable")
    columns = {name: getattr(clicks, name)[order] for name in clicks.__dataclass_fields__}
    later = replace(clicks, **{**columns, "known_at": known_at[order]})
    return replace(data, log=between(EventLog(data.log.impressions, later), -np.inf, END))


def clicked(data: TrainingSet) -> float:
    """The share of the examples with a click."""
    _, lists = head_inputs(data, towers=FitConfig(max_steps=1, batch=32, uniform=8))
    return float((np.add.reduceat(lists.labels, lists.offsets[:-1]) > 0).mean())


def test_how_long_clicks_took(week: TrainingSet) -> None:
    took, later = delays(week.log), delays(delayed(week, LATE).log)
    assert (took >= 0).all()
    assert took.max() < made_world.HOUR
    np.testing.assert_allclose(np.sort(later - LATE)[: len(later) // 2], np.sort(took)[: len(later) // 2], atol=60)


def test_lists_wait_for_as_long_as_nearly_all_clicks_take(week: TrainingSet) -> None:
    data = delayed(week, LATE)
    ripe = ripe_until(data.log, -np.inf, END)
    last = end(data.log)
    assert (delays(data.log) <= last - ripe).mean() == pytest.approx(KNOWN, abs=0.01)
    assert last - LATE - made_world.HOUR < ripe <= last - LATE


def test_examples_are_clicked_as_often_as_if_nothing_was_late(week: TrainingSet) -> None:
    assert clicked(delayed(week, LATE)) == pytest.approx(clicked(week), abs=0.02)


def test_half_of_the_lists_are_examples_whatever_clicks_take(week: TrainingSet) -> None:
    data = delayed(week, 2.5 * made_world.DAY)
    times = data.log.impressions.known_at
    assert (times < ripe_until(data.log, -np.inf, END)).mean() == pytest.approx(0.5, abs=0.01)


def test_an_end_beyond_the_log_makes_no_list_older(week: TrainingSet) -> None:
    later = ripe_until(week.log, -np.inf, END + made_world.DAY)
    assert later == pytest.approx(ripe_until(week.log, -np.inf, END), abs=made_world.HOUR)
    assert later < week.log.impressions.known_at[-1]


def test_without_clicks_in_lists_nothing_waits(week: TrainingSet) -> None:
    clicks = replace(week.log.clicks, impression=np.full(len(week.log.clicks), NONE))
    assert ripe_until(replace(week.log, clicks=clicks), -np.inf, END) == END
    assert ripe_until(week.log, END, END) == END
