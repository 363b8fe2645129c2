"""The click probabilities of the listwise head come true, whatever its logits were."""

import numpy as np
import pytest
from made_lists import (
    MODALITIES,
    SIGNAL,
    click,
    clicks_by,
    listwise_scores,
    made_lists,
)

from recsys.columns import Floats32
from recsys.pipeline.scorer import probabilities_of_lists
from recsys.training.calibration import Calibration, calibrate
from recsys.training.heads import HeadConfig, fit_heads
from recsys.training.lists import Lists

FAST = HeadConfig(epochs=10, batch=32, rate=1e-2)


def log_loss(logits: np.ndarray, outside: np.ndarray, lists: Lists) -> float:
    """Mean negative log-likelihood of each list's one click, or of none, list by list."""
    losses = []
    for i in range(len(lists)):
        rows = slice(lists.offsets[i], lists.offsets[i + 1])
        own = np.append(logits[rows], outside[i]).astype(np.float64)
        chosen = np.append(lists.labels[rows], lists.labels[rows].sum() == 0) > 0
        losses.append(np.log(np.exp(own - own.max()).sum()) + own.max() - own[chosen].mean())
    return float(np.mean(losses))


def test_calibration_mends_an_overconfident_head_and_keeps_the_order() -> None:
    lists = made_lists(600)
    clicks_by(lists, SIGNAL, strength=1.0, outside=1.0)
    heads = fit_heads(lists.take(np.arange(200)), MODALITIES, config=FAST)
    head = heads.listwise
    head.temperature.fill_(0.15)
    head.outside_shift.fill_(3.0)
    newest, test = lists.take(np.arange(200, 400)), lists.take(np.arange(400, 600))
    before, far = listwise_scores(heads, test)
    found = calibrate(head, newest)
    head.temperature.mul_(found.temperature)
    head.outside_shift.copy_(head.outside_shift / found.temperature + found.outside_shift)
    after, near = listwise_scores(heads, test)
    assert log_loss(after, near, test) < log_loss(before, far, test) - 0.3
    np.testing.assert_array_equal(np.argsort(after[:6]), np.argsort(before[:6]))
    for rows in np.split(np.arange(len(test.labels)), len(test)):
        np.testing.assert_array_equal(np.argsort(after[rows]), np.argsort(before[rows]))


def test_calibration_is_the_minimum_of_the_loss() -> None:
    lists = made_lists(300)
    clicks_by(lists, SIGNAL, strength=1.0, outside=0.5)
    heads = fit_heads(lists.take(np.arange(100)), MODALITIES, config=FAST)
    heads.listwise.temperature.fill_(1.0)
    heads.listwise.outside_shift.fill_(0.0)
    newest = lists.take(np.arange(100, 300))
    logits, outside = listwise_scores(heads, newest)
    found = calibrate(heads.listwise, newest)
    temperature, shift = found.temperature, found.outside_shift
    best = log_loss(logits / temperature, outside / temperature + shift, newest)
    for warmer in (0.9, 1.1):
        assert best < log_loss(logits / temperature / warmer, outside / temperature / warmer + shift, newest)
    for more in (-0.2, 0.2):
        assert best < log_loss(logits / temperature, outside / temperature + shift + more, newest)


@pytest.mark.parametrize("held_out", ["perfect", "opposite"])
def test_calibration_stays_sane_on_few_lists_that_the_head_gets_all_right_or_all_wrong(held_out: str) -> None:
    lists = made_lists(300)
    clicks_by(lists, SIGNAL, strength=6.0)
    heads = fit_heads(lists, MODALITIES, config=FAST)
    few = made_lists(5, seed=3)
    logits = listwise_scores(heads, few)[0].reshape(5, 6)
    click(few, logits.argmax(axis=1) if held_out == "perfect" else logits.argmin(axis=1))
    found = calibrate(heads.listwise, few)
    assert 0.05 < found.temperature < 50
    assert 0.02 < found.odds_slope < 50
    assert max(abs(found.outside_shift), abs(found.odds_shift)) < 20


def several(lists: Lists, seed: int = 0) -> None:
    """Click each shown row by itself, more often than one in a list."""
    generator = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(0.5 - lists.rows[:, SIGNAL]))
    lists.labels[:] = (generator.random(len(chance)) < chance) & lists.shown


def bits_lost(labels: Floats32, chances: Floats32) -> float:
    """Mean log loss of single items."""
    inside = np.clip(chances, 1e-6, 1 - 1e-6).astype(np.float64)
    return float(-np.mean(labels * np.log(inside) + (1 - labels) * np.log(1 - inside)))


def test_where_lists_have_several_clicks_the_probabilities_add_up_to_as_many() -> None:
    lists = made_lists(900)
    several(lists)
    train, test = lists.take(np.arange(600)), lists.take(np.arange(600, 900))
    head = fit_heads(train, MODALITIES, config=FAST).listwise
    parts = np.split(test.rows, test.offsets[1:-1])
    chances = np.concatenate(probabilities_of_lists(head, parts))
    assert test.labels.sum() > 2 * len(test)
    assert chances.sum() == pytest.approx(test.labels.sum(), rel=0.1)
    for third in np.array_split(np.argsort(chances), 3):  # roughly, where one click does not rule out another
        assert chances[third].mean() == pytest.approx(test.labels[third].mean(), abs=0.1)
    Calibration(float(head.temperature), float(head.outside_shift)).set(head)
    of_one_choice = np.concatenate(probabilities_of_lists(head, parts))
    assert bits_lost(test.labels, chances) < bits_lost(test.labels, of_one_choice) - 0.05


def test_where_lists_have_one_click_at_most_the_odds_hardly_move() -> None:
    lists = made_lists(1200)
    clicks_by(lists, SIGNAL, strength=1.0, outside=0.5)
    head = fit_heads(
        lists.take(np.arange(600)), MODALITIES, config=HeadConfig(epochs=10, batch=32, held_out=0.0)
    ).listwise
    found = calibrate(head, lists.take(np.arange(600, 1200)))
    assert found.odds_slope == pytest.approx(1.0, abs=0.15)
    assert found.odds_shift == pytest.approx(0.0, abs=0.2)
