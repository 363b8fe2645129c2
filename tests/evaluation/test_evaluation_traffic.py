"""Live CTR by version: its interval, and whether two versions differ, with users as units."""

from statistics import NormalDist

import numpy as np
import pytest

from recsys.database.outcomes import Outcome
from recsys.evaluation.traffic import compared, figures, interval, line, variance


def outcome(n: np.ndarray, c: np.ndarray, version: str = "v") -> Outcome:
    """Of users who saw n lists each and clicked in c of them."""
    sums = (n.sum(), c.sum(), c.sum(), (n * n).sum(), (c * c).sum(), (n * c).sum())
    return Outcome(version, len(n), *(int(value) for value in sums))


def site(seed: int, users: int, lift: float = 0.0) -> Outcome:
    """Users who differ in how much they read and in how readily they click."""
    draw = np.random.default_rng(seed)
    n = draw.geometric(0.15, users)
    return outcome(n, draw.binomial(n, np.clip(draw.beta(1, 9, users) + lift, 0, 1)))


def test_the_variance_is_that_of_resampling_users() -> None:
    draw = np.random.default_rng(0)
    n = draw.geometric(0.15, 800)
    c = draw.binomial(n, draw.beta(1, 9, 800))
    chosen = draw.integers(0, 800, (3000, 800))
    resampled = (c[chosen].sum(axis=1) / n[chosen].sum(axis=1)).var()
    assert variance(outcome(n, c)) == pytest.approx(resampled, rel=0.1)
    ctr = c.sum() / n.sum()
    assert variance(outcome(n, c)) > 1.3 * ctr * (1 - ctr) / n.sum()  # as if lists were independent


def test_with_one_list_each_the_interval_is_wilsons() -> None:
    c = np.array([1] * 30 + [0] * 70)
    low, high = interval(outcome(np.ones(100, int), c)) or (0, 0)
    z, p, n = NormalDist().inv_cdf(0.975), 0.3, 99.0  # of a sample variance
    middle, half = (p + z * z / 2 / n) / (1 + z * z / n), z / (1 + z * z / n) * (p * 0.7 / n + z * z / 4 / n / n) ** 0.5
    assert (low, high) == pytest.approx((middle - half, middle + half))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = [low <= 0.1 <= high for low, high in (interval(site(seed, 300)) or (1, 0) for seed in range(300))]
    assert 0.91 <= np.mean(held) <= 0.99


def test_no_click_at_all_is_not_certainty() -> None:
    low, high = interval(outcome(np.full(10, 5), np.zeros(10, int))) or (1, 0)
    assert low == pytest.approx(0)
    assert 0.05 < high < 0.5
    low, high = interval(outcome(np.full(10, 5), np.full(10, 5))) or (1, 0)
    assert high == pytest.approx(1)
    assert low < 0.95
    assert interval(outcome(np.zeros(0, int), np.zeros(0, int))) is None


def test_equal_versions_are_called_different_as_rarely_as_promised() -> None:
    p_values = [compared(site(2 * seed, 300), site(2 * seed + 1, 300))[2] or 0.0 for seed in range(300)]
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.09


def test_a_real_difference_is_found_with_its_sign() -> None:
    difference, confidence, p_value = compared(site(0, 2000, lift=0.04), site(1, 2000))
    assert difference == pytest.approx(0.04, abs=0.015)
    assert confidence is not None
    assert confidence[0] < 0.04 < confidence[1]
    assert p_value is not None
    assert p_value < 0.001
    back = compared(site(1, 2000), site(0, 2000, lift=0.04))
    assert back[0] == pytest.approx(-difference)
    assert back[2] == pytest.approx(p_value)


def test_what_cannot_be_compared_is_not() -> None:
    one, two = outcome(np.ones(1, int), np.ones(1, int)), site(0, 50)
    assert compared(one, two) == (None, None, None)
    never = outcome(np.full(5, 2), np.zeros(5, int))
    assert compared(never, never) == (0.0, None, None)


def test_figures_are_said_in_words() -> None:
    seen = figures(outcome(np.ones(100, int), np.array([1] * 30 + [0] * 70)))
    assert line(seen).startswith("100 lists seen, CTR 0.3000 (0.2")
    assert line(figures(Outcome("v", *[0] * 7))) == "nothing seen yet"
