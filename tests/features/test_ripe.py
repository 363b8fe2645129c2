"""Lists wait until nearly all of their clicks are known, however late these come."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.columns import NONE, ClickColumns, EventLog, ImpressionColumns, between
from recsys.features.ripe import FEW, KNOWN, delays, end, patience, ripe_until

HOUR, DAY = 3600.0, 86400.0
END = 3 * DAY
LATE = 8 * HOUR


def made(late: float = 0.0, lists: int = 2000) -> EventLog:
    """Three days of lists, each clicked within minutes, which becomes known so much later, if at all before the end."""
    draw = np.random.default_rng(0)
    shown = np.sort(draw.uniform(0.0, END, lists))
    clicked = shown + draw.exponential(120.0, lists) + late
    order = np.argsort(clicked)
    zeros, whole = np.zeros(lists, np.int8), np.zeros(lists, np.int64)
    positions = draw.permutation(lists)  # not in the order of time
    impressions = ImpressionColumns(
        position=positions, user=whole, known_at=shown, offsets=np.arange(lists + 1), items=whole, page=zeros,
        device=zeros, subscriber=zeros, context_article=whole,
    )  # fmt: skip
    clicks = ClickColumns(
        position=np.arange(lists), user=whole, article=whole, at=shown[order], known_at=clicked[order],
        weight=np.ones(lists), dwell=np.full(lists, np.nan), backfilled=zeros, impression=positions[order], page=zeros,
        device=zeros,
    )  # fmt: skip
    return between(EventLog(impressions, clicks), -np.inf, END)


def test_how_long_clicks_took() -> None:
    assert np.mean(delays(made())) == pytest.approx(120.0, rel=0.1)
    assert (delays(made(LATE)) >= LATE).all()
    dismissed = made().clicks
    assert not len(delays(EventLog(made().impressions, replace(dismissed, weight=0 * dismissed.weight))))


def test_lists_wait_for_as_long_as_nearly_all_clicks_take() -> None:
    log = made(LATE)
    ripe, last = ripe_until(log, -np.inf, END), end(log)
    assert (delays(log) <= last - ripe).mean() == pytest.approx(KNOWN, abs=0.01)
    assert last - ripe == pytest.approx(patience(log)) == pytest.approx(LATE + 3 * 120.0, abs=120.0)


def test_half_of_the_lists_are_examples_whatever_clicks_take() -> None:
    log = made(2.5 * DAY)
    assert (log.impressions.known_at < ripe_until(log, -np.inf, END)).mean() == pytest.approx(0.5, abs=0.01)
    newest = log.impressions.known_at >= 2 * DAY
    examples = newest & (log.impressions.known_at < ripe_until(log, 2 * DAY, END))
    assert examples.sum() / newest.sum() == pytest.approx(0.5, abs=0.01)


def test_an_end_beyond_the_log_makes_no_list_older() -> None:
    log = made(LATE)
    assert ripe_until(log, -np.inf, END + DAY) == ripe_until(log, -np.inf, END) < log.impressions.known_at[-1]


def test_few_young_lists_are_left_where_they_are() -> None:
    log = made()
    assert 0 < (log.impressions.known_at > end(log) - patience(log)).sum() <= FEW * 2000
    assert ripe_until(log, -np.inf, END) == END


def test_without_clicks_in_lists_nothing_waits() -> None:
    log = made()
    nowhere = replace(log.clicks, impression=np.full(len(log.clicks), NONE))
    assert ripe_until(replace(log, clicks=nowhere), -np.inf, END) == END
    assert ripe_until(log, END, END) == END
