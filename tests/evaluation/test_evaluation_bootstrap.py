"""The bootstrap over users: what it resamples, how often it covers the truth, and what it refuses."""

import math

import numpy as np
import pytest

from recsys.domain import RecsysError
from recsys.evaluation import bootstrap
from recsys.evaluation.bootstrap import bootstrap_mean, paired_bootstrap


def simulated(generator, users, each=8, between=0.3, within=0.1):
    """Values about 1 whose users differ: (values, users)."""
    owner = np.repeat(np.arange(users), each)
    return 1 + generator.normal(0, between, users)[owner] + generator.normal(0, within, len(owner)), owner


def plain_interval(values, users, draws, seed):
    """Draw whole users in a loop and pool their rows."""
    generator = np.random.default_rng(seed)
    groups = [values[users == user] for user in np.unique(users)]
    means = []
    for _ in range(draws):
        chosen = [groups[index] for index in generator.integers(0, len(groups), len(groups))]
        means.append(np.concatenate(chosen).mean())
    return np.quantile(means, [0.025, 0.975])


def test_the_interval_is_that_of_a_plain_loop_over_users():
    generator = np.random.default_rng(2)
    users = generator.integers(0, 40, size=300)  # users with different numbers of impressions
    values = generator.random(300) + users / 40
    assert bootstrap_mean(values, users, seed=7) == pytest.approx(plain_interval(values, users, 1000, 7))


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        low, high = bootstrap_mean(*simulated(generator, users=60), draws=300)
        covered += low <= 1 <= high
    assert 0.90 <= covered / 300 <= 0.98


def test_resampling_rows_instead_of_users_would_be_too_narrow():
    values, users = simulated(np.random.default_rng(1), users=60)
    by_user, by_row = bootstrap_mean(values, users), bootstrap_mean(values, np.arange(len(values)))
    assert by_user[1] - by_user[0] > 2 * (by_row[1] - by_row[0])


def test_few_users_give_a_wider_interval_than_many():
    generator = np.random.default_rng(4)
    few, many = (bootstrap_mean(*simulated(generator, users)) for users in (25, 2500))
    assert few[1] - few[0] > 5 * (many[1] - many[0])


def test_values_that_are_not_there_are_left_out():
    values, users = simulated(np.random.default_rng(1), users=30)
    padded = np.concatenate((values, np.full(50, np.nan)))
    owners = np.concatenate((users, np.arange(50) + 1000))  # users that have no value at all
    assert bootstrap_mean(padded, owners) == bootstrap_mean(values, users)


def test_users_may_have_any_ids_and_the_seed_decides():
    values, users = simulated(np.random.default_rng(1), users=30)
    names = np.array([f"u{user:03d}" for user in users])
    assert bootstrap_mean(values, names, seed=1) == bootstrap_mean(values, users, seed=1)
    assert bootstrap_mean(values, names, seed=1) != bootstrap_mean(values, users, seed=2)


def test_drawing_in_blocks_changes_nothing(monkeypatch):
    values, users = simulated(np.random.default_rng(1), users=30)
    whole = bootstrap_mean(values, users, draws=101)
    monkeypatch.setattr(bootstrap, "BLOCK", 210)
    assert bootstrap_mean(values, users, draws=101) == whole


@pytest.mark.parametrize("values", [[], [0.5, 0.7], [0.5, math.nan]])
def test_fewer_than_two_users_have_no_interval(values):
    low, high = bootstrap_mean(values, ["a", "b"][: len(values)] if math.nan in values else ["a"] * len(values))
    assert math.isnan(low)
    assert math.isnan(high)


def test_a_paired_comparison_sees_what_two_intervals_hide():
    generator = np.random.default_rng(6)
    a, users = simulated(generator, users=80)
    b = a - 0.02 + generator.normal(0, 0.02, len(a))
    difference, low, high = paired_bootstrap(a, b, users)
    assert difference == pytest.approx((a - b).mean())
    assert 0.01 < low < difference < high < 0.03
    assert bootstrap_mean(a, users)[0] < bootstrap_mean(b, users)[1]  # apart, the two overlap


def test_a_paired_comparison_turned_round_changes_sign():
    generator = np.random.default_rng(6)
    a, users = simulated(generator, users=80)
    b = generator.permutation(a)
    a[3] = b[3] = math.nan
    forth, back = paired_bootstrap(a, b, users), paired_bootstrap(b, a, users)
    assert forth == pytest.approx((-back[0], -back[2], -back[1]))


def test_no_difference_is_certain_between_a_model_and_itself():
    values, users = simulated(np.random.default_rng(1), users=30)
    assert paired_bootstrap(values, values, users) == (0, 0, 0)


def test_nothing_to_compare_has_no_difference():
    assert all(math.isnan(value) for value in paired_bootstrap([math.nan], [math.nan], ["a"]))


def test_bad_input_is_explained():
    with pytest.raises(RecsysError, match="one length"):
        bootstrap_mean([1.0, 2.0], ["a"])
    with pytest.raises(RecsysError, match="different impressions"):
        paired_bootstrap([1.0, math.nan], [1.0, 2.0], ["a", "b"])
    with pytest.raises(RecsysError, match="different impressions"):
        paired_bootstrap([1.0], [1.0, 2.0], ["a"])
