from dataclasses import replace

import numpy as np
import pytest
from peers import lambdarank
from peers.lambdarank import Plan

from recsys.features.features import REQUEST
from recsys.pipeline.scorer import widths
from recsys.training.lists import Lists

WIDTH = widths(("title",))[0]
SIGNAL, LEVEL = 3, 9


def made(lists: int, seed: int) -> Lists:
    """The row with the highest signal is clicked, most often; each list has a level of its own that hides it."""
    generator = np.random.default_rng(seed)
    rows = np.zeros((lists * 6, WIDTH), np.float32)
    signal = generator.standard_normal((lists, 6))
    rows[:, SIGNAL] = (signal + 20 * generator.standard_normal((lists, 1))).ravel()
    rows[:, LEVEL] = generator.standard_normal(lists * 6)
    labels = np.zeros((lists, 6), np.float32)
    labels[np.arange(lists), (3 * signal + generator.gumbel(size=signal.shape)).argmax(axis=1)] = 1
    return Lists(np.arange(lists + 1) * 6, rows, labels.ravel(), np.ones(lists * 6, np.bool_))


def first(scores: np.ndarray, lists: Lists) -> float:
    """How often the clicked row has the highest score."""
    return float((scores.reshape(-1, 6).argmax(1) == lists.labels.reshape(-1, 6).argmax(1)).mean())


@pytest.fixture(scope="module")
def plan() -> Plan:
    return lambdarank.tuned(made(600, 0), made(300, 1), lambdarank.shown_inputs)


def test_it_finds_what_stands_out_in_its_list_and_only_with_the_inputs_that_say_so(plan: Plan) -> None:
    test = made(300, 2)
    for inputs, low, high in ((lambdarank.shown_inputs, 0.6, 1.0), (lambdarank.pool_inputs, 0.0, 0.5)):
        booster = lambdarank.fit(made(600, 0), inputs, replace(plan, trees=60))
        assert low < first(np.asarray(booster.predict(inputs(test.rows, test.offsets))), test) < high


def test_the_plan_stops_where_the_later_lists_are_ranked_best(plan: Plan) -> None:
    assert plan.leaves in lambdarank.LEAVES
    assert lambdarank.LEAST_TREES <= plan.trees <= lambdarank.MOST_TREES
    assert 0.7 < plan.quality <= 1


def test_probabilities_are_shares_of_one_click_and_the_temperature_makes_them_likely(plan: Plan) -> None:
    lists = made(300, 1)
    booster = lambdarank.fit(made(600, 0), lambdarank.shown_inputs, plan)
    scores = np.asarray(booster.predict(lambdarank.shown_inputs(lists.rows, lists.offsets)))

    def loss(temperature: float) -> float:
        chances = lambdarank.choice_probabilities(scores, lists.offsets, temperature)
        np.testing.assert_allclose(np.add.reduceat(chances, lists.offsets[:-1]), 1)
        return float(-np.log(chances[lists.labels > 0]).mean())

    assert loss(plan.temperature) < min(loss(plan.temperature * 2), loss(plan.temperature / 2))


def test_lists_without_a_click_are_left_out() -> None:
    lists = made(4, 0)
    lists.labels[6:12] = 0
    kept = lambdarank.with_clicks(lists)
    assert kept.offsets.tolist() == [0, 6, 12, 18]
    np.testing.assert_array_equal(kept.rows, lists.rows[np.r_[0:6, 12:24]])


def test_the_head_sees_the_same_columns() -> None:
    lists = made(3, 0)
    _, items, _ = widths(("title",))
    assert lambdarank.shown_inputs(lists.rows, lists.offsets).shape == (18, items)
    assert lambdarank.pool_inputs(lists.rows, lists.offsets) is lists.rows
    assert len(REQUEST) < WIDTH
