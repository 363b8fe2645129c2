"""The generated log is a log: in order, without repetition in a list, and like news."""

import numpy as np
import pytest
from clock import Clock
from generated import LIVE, World, training_set

from recsys.features.order import check_keys
from recsys.training.fit import TrainingSet

SMALL = World(impressions=3000, articles=500, users=200, shown=7)


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    return training_set(SMALL)


def test_lists_and_clicks_are_in_order_and_fit_together(data: TrainingSet) -> None:
    lists, clicks = data.log.impressions, data.log.clicks
    check_keys(data.log, len(data.attributes.section), data.users)
    assert len(lists) == len(clicks) == 3000
    assert (np.diff(lists.known_at) >= 0).all()
    assert (np.diff(clicks.known_at) >= 0).all()
    row = clicks.impression - 1
    assert (clicks.known_at > lists.known_at[row]).all()
    assert (clicks.user == lists.user[row]).all()
    items = lists.items.reshape(-1, SMALL.shown)
    assert (items[row] == clicks.article[:, None]).any(axis=1).all()
    assert (np.diff(np.sort(items, axis=1), axis=1) > 0).all()
    assert data.until > clicks.known_at[-1]


def test_nothing_is_shown_before_it_is_published_and_attention_fades(data: TrainingSet) -> None:
    lists = data.log.impressions
    age = np.repeat(lists.known_at, SMALL.shown) - data.attributes.published_at[lists.items]
    assert (age > 0).all()
    assert np.quantile(age, 0.5) < 12 * 3600
    assert len(np.unique(lists.items)) > LIVE / 2
    counts = np.sort(np.bincount(lists.items))[::-1]
    assert counts[:10].sum() > 5 * counts[100:110].sum()


def test_the_same_world_gives_the_same_log(data: TrainingSet) -> None:
    again = training_set(SMALL)
    np.testing.assert_array_equal(again.log.impressions.items, data.log.impressions.items)
    np.testing.assert_array_equal(again.log.clicks.article, data.log.clicks.article)
    np.testing.assert_array_equal(again.content.vectors["title"], data.content.vectors["title"])


def test_a_clock_gives_time_to_the_stage_that_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1.0, 3.0, 6.0, 10.0])
    monkeypatch.setattr("time.process_time", lambda: next(times))
    clock = Clock(since=0.0)
    next(times)
    for stage, done in (("towers", 0), ("towers", 1), ("heads", 3), ("write", 0)):
        clock(stage, done, 3)
    assert clock.seconds == {"load": 1.0, "towers": 2.0, "heads": 7.0}
