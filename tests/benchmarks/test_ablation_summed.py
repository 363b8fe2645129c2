"""Sums of standardised scores."""

import numpy as np
import pytest
from made_clicks import SIZE, two_camps, window
from movielens import Events
from summed import STEPS, Part, best_weights, simplex, standardised, weighted

from recsys.pipeline.histories import Histories

ALL = np.ones(4, np.bool_)


def part(scores: list[float], there: np.ndarray = ALL) -> Part:
    return Part(lambda w: np.tile(np.array(scores, np.float32), (len(w.mask), 1)), there)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_simplex_holds_every_split_of_one_once(size: int) -> None:
    weights = simplex(size)
    assert all(sum(w) == pytest.approx(1.0) and min(w) >= 0 for w in weights)
    assert len(set(weights)) == len(weights) == {1: 1, 2: STEPS + 1, 3: (STEPS + 1) * (STEPS + 2) // 2}[size]


def test_a_part_is_standardised_over_the_candidates_that_have_it() -> None:
    there, candidates = np.array([True, True, True, False]), np.array([False, True, True, True])
    scores = standardised(part([9, 1, 3, 100], there), window([1], [2]), candidates)
    np.testing.assert_allclose(scores, [[0, -1, 1, 0]] * 2)


@pytest.mark.parametrize("there", [ALL, ~ALL])
def test_a_part_that_tells_nothing_apart_counts_nothing(there: np.ndarray) -> None:
    assert not standardised(part([0.1 + 0.2, 0.3, 0.3, 0.3], there), window([1]), ALL).any()


def test_units_of_a_part_do_not_matter() -> None:
    first, second = part([1, 2, 3, 4]), part([4, 1, 3, 0])
    scaled = part([400.0, 100, 300, 0])
    sums = [weighted([first, other], (0.4, 0.6), ALL)(window([1])) for other in (second, scaled)]
    np.testing.assert_allclose(*sums, rtol=1e-5)


def test_the_weights_go_to_the_part_that_knows() -> None:
    """One part knows who is of which camp, the other knows noise."""
    clicks = two_camps()
    histories = Histories.of(clicks)
    last = np.flatnonzero(clicks.at == clicks.at.max())
    start, end = histories.before(clicks.user[last], clicks.at[last])
    test = Events(
        train=clicks, histories=histories, user=clicks.user[last], at=clicks.at[last], target=clicks.article[last],
        start=start, end=end, candidates=np.arange(SIZE) > 0, negatives=np.ones((len(last), 1), np.int64),
        seen=[histories.article[a:b] for a, b in zip(start, end, strict=True)],
    )  # fmt: skip
    there, camp = np.ones(SIZE, np.bool_), np.arange(SIZE) > 20
    knows = Part(lambda w: (camp[w.article[:, -1:]] == camp).astype(np.float32), there)
    noise = np.random.default_rng(0).normal(size=SIZE).astype(np.float32)
    guesses = Part(lambda w: np.tile(noise, (len(w.mask), 1)), there)
    assert best_weights([knows, guesses], test)[0] > 0.5
    assert best_weights([guesses, knows], test)[1] > 0.5
    assert best_weights([knows], test) == (1.0,)
