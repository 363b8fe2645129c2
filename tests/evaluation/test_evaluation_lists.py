"""Novelty, diversity and coverage of lists, against their definitions written as loops."""

from itertools import combinations

import numpy as np
import pytest

from recsys.evaluation.lists import NOWHERE, Served, auc_of, compared, intra_list_diversity, ranks_of, self_information
from recsys.features.state import CLICKS, empty_state


def test_diversity_is_the_mean_distance_of_the_pairs() -> None:
    vectors = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = np.mean([1 - a @ b for a, b in combinations(unit, 2)])
    assert intra_list_diversity(vectors) == pytest.approx(expected, abs=1e-6)
    assert intra_list_diversity(vectors * np.float32(7)) == pytest.approx(expected, abs=1e-6)


def test_diversity_leaves_out_what_has_no_content() -> None:
    vectors = np.array([[1, 0], [0, 0], [0, 2]], np.float32)
    assert intra_list_diversity(vectors) == pytest.approx(1.0)
    assert np.isnan(intra_list_diversity(vectors[:2]))
    assert np.isnan(intra_list_diversity(vectors[:0]))
    assert intra_list_diversity(vectors[[0, 0]]) == pytest.approx(0.0)


def test_novelty_is_the_information_in_an_articles_share_of_the_clicks() -> None:
    state = empty_state(5)
    state.totals[1:5, CLICKS] = [3, 0, 1, 96]  # with one added to each: 4, 1, 2, 97
    pool = np.array([1, 2, 3])  # what cannot be shown has no share
    assert self_information(state, np.array([1, 3]), pool) == pytest.approx(-np.mean(np.log2([4 / 7, 2 / 7])))
    assert self_information(state, np.array([2]), pool) > self_information(state, np.array([1]), pool)
    assert np.isnan(self_information(state, pool[:0], pool))


def test_auc_counts_the_pairs_of_a_target_and_another_article() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        candidates, targets, pool = int(random.integers(2, 9)), int(random.integers(1, 3)), 12
        places = random.choice(candidates, min(targets, candidates), replace=False)
        ranks = [float(place + 1) for place in places]
        others = [place for place in range(pool) if place not in places]
        expected = np.mean([place < other for place in places for other in others])
        assert auc_of(ranks, len(others)) == pytest.approx(expected)
        assert auc_of([*ranks, NOWHERE], len(others)) == pytest.approx(expected * len(ranks) / (len(ranks) + 1))
    assert np.isnan(auc_of([1.0], 0))


def test_places_are_counted_from_one() -> None:
    assert ranks_of(np.array([7, 5, 9]), [9, 4, 7]) == [3.0, NOWHERE, 1.0]


def made(keys: list[int], ranks: list[float], novelty: float = 1.0, diversity: float = 0.5) -> Served:
    return Served(np.array(keys), ranks, novelty, diversity)


def test_comparison_says_what_diversity_gives_and_costs() -> None:
    off = [made([1, 2], [1.0]), made([1, 3], [2.0], 3.0, float("nan"))]
    on = [made([1, 2], [1.0]), made([4, 5], [NOWHERE])]
    found = compared(off, on, np.array([1, 2]), live=10)
    assert found["off"]["coverage"] == pytest.approx(0.3)
    assert found["on"]["coverage"] == pytest.approx(0.4)
    assert found["off"]["novelty"] == pytest.approx(2.0)
    assert found["off"]["intra_list_diversity"] == pytest.approx(0.5)  # where it has a value
    second = 1 / np.log2(3)
    assert found["off"]["ndcg@10"] == pytest.approx((1 + second) / 2)
    assert found["on"]["ndcg@10"] == pytest.approx(0.5)
    assert found["cost"]["ndcg@10"] == pytest.approx(second / 2)
    low, high = found["cost"]["confidence"]["ndcg@10"]
    assert low <= second / 2 <= high
