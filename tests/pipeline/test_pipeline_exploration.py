"""Lists drawn at random: how likely each item is at each place, and that draws keep to what is said of them."""

from itertools import permutations

import numpy as np
import pytest

from recsys.columns import Floats
from recsys.pipeline.exploration import SPAN, Exploration, explored, log_rates, place_probabilities, pool_of
from recsys.pipeline.selector import most_of_one, select


def by_counting(logits: Floats, limit: int) -> Floats:
    """P(item i at place j), by adding up all lists that Plackett-Luce may draw."""
    rates, found = np.exp(logits), np.zeros((len(logits), limit))
    for drawn in permutations(range(len(logits)), limit):
        left, chance = rates.sum(), 1.0
        for item in drawn:
            chance *= rates[item] / left
            left -= rates[item]
        found[list(drawn), np.arange(limit)] += chance
    return found


@pytest.mark.parametrize(("items", "limit", "spread"), [(1, 1, 0), (2, 2, 0), (6, 6, 1), (7, 3, 3), (6, 4, 6)])
def test_probabilities_are_those_of_all_lists(items: int, limit: int, spread: float) -> None:
    logits = np.random.default_rng(items).normal(size=items) * spread
    expected = by_counting(logits, limit)
    np.testing.assert_allclose(place_probabilities(logits, limit), expected, atol=2e-8)
    np.testing.assert_allclose(place_probabilities(logits, limit, np.array([0])), expected[:1], atol=2e-8)


def test_every_place_is_taken_by_one_of_fifty() -> None:
    logits = np.random.default_rng(0).normal(size=50) * 2
    found = place_probabilities(logits - logits.max(), 10)
    np.testing.assert_allclose(found.sum(axis=0), 1.0, atol=1e-7)
    assert (found.sum(axis=1) < 1 + 1e-7).all()
    np.testing.assert_allclose(found[:, 0], np.exp(logits) / np.exp(logits).sum(), atol=1e-8)


def test_nothing_to_draw_from_gives_nothing() -> None:
    assert place_probabilities(np.zeros(0), 3).shape == (0, 3)
    drawn = explored(np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64), 1, Exploration(0.5, 1.0))
    assert len(drawn.rows) == len(drawn.propensities) == 0


def candidates(seed: int, items: int = 12, sections: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Utilities, sections, and the selector's list of five with its cap."""
    draw = np.random.default_rng(seed)
    utility, section = draw.normal(size=items).astype(np.float32), draw.integers(0, sections, items)
    vectors = draw.normal(size=(items, 4)).astype(np.float32)
    greedy = np.array(select(utility, vectors, section, 5, diversity=0.4, section_cap=4))
    return utility, section, greedy, most_of_one(4, 5)


def test_how_often_an_item_stands_at_a_place_is_its_propensity() -> None:
    """Over all draws, explored or not."""
    utility, section, greedy, cap = candidates(1, items=7)
    how, draws = Exploration(0.4, 1.0, np.random.default_rng(0)), 4000
    counts, told = np.zeros((7, 5)), np.zeros((7, 5))
    for _ in range(draws):
        drawn = explored(utility, greedy, section, cap, how)
        counts[drawn.rows, np.arange(5)] += 1
        told[drawn.rows, np.arange(5)] = drawn.propensities
    np.testing.assert_allclose(told.sum(axis=0), 1.0, atol=1e-6)  # everything that may stand at a place was seen there
    np.testing.assert_allclose(counts / draws, told, atol=4 * 0.5 / np.sqrt(draws))
    assert (told[greedy, np.arange(5)] > 0.6).all()


def test_the_likeliest_lists_are_near_the_best_and_a_high_temperature_forgets_them() -> None:
    utility, section, greedy, cap = candidates(2)
    means = []
    for temperature in (0.1, 1.0, 100.0):
        how = Exploration(1.0, temperature, np.random.default_rng(0))
        firsts = [explored(utility, greedy, section, cap, how).rows[0] for _ in range(200)]
        means.append(float(utility[firsts].mean()))
    assert means[0] > means[1] > means[2]


@pytest.mark.parametrize("seed", range(8))
def test_drawn_lists_repeat_nothing_and_keep_the_cap_of_a_section(seed: int) -> None:
    utility, section, greedy, cap = candidates(seed, items=30, sections=4)
    how = Exploration(1.0, 2.0, np.random.default_rng(seed))
    for _ in range(20):
        drawn = explored(utility, greedy, section, cap, how)
        assert len(set(drawn.rows.tolist())) == len(greedy)
        assert np.bincount(section[drawn.rows]).max() <= cap
        assert ((drawn.propensities > 0) & (drawn.propensities <= 1)).all()


def test_the_pool_holds_the_selectors_list_and_the_best_others() -> None:
    utility = np.array([9, 8, 7, 6, 5, -np.inf, 3], np.float32)
    section = np.array([0, 0, 0, 1, -1, 1, 1])
    assert pool_of(utility, np.array([2, 3]), section, 2).tolist() == [2, 3, 0, 4, 6]
    assert pool_of(utility, np.array([5]), section, 9).tolist() == [5, 0, 1, 2, 3, 4, 6]  # there was nothing else


def test_without_the_coin_the_list_is_the_selectors() -> None:
    utility, section, greedy, cap = candidates(3)
    drawn = explored(utility, greedy, section, cap, Exploration(1e-9, 1.0, np.random.default_rng(0)))
    np.testing.assert_array_equal(drawn.rows, greedy)
    np.testing.assert_allclose(drawn.propensities, 1.0)


def test_rates_do_not_depend_on_the_scale_of_utilities_and_have_a_floor() -> None:
    utility = np.array([3.0, 1.0, 0.0, -np.inf], np.float32)
    rates = log_rates(utility, 1.0)
    np.testing.assert_allclose(log_rates(utility * 10 + 5, 1.0), rates, rtol=1e-6)
    np.testing.assert_allclose(log_rates(utility, 0.5)[:3], rates[:3] * 2, rtol=1e-6)
    assert rates.max() == 0
    assert rates.min() == -SPAN
    assert (log_rates(np.full(3, -np.inf, np.float32), 1.0) == 0).all()
