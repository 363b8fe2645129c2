"""Estimates from a log of which the truth is known: a simulated site that explores, and a candidate it never served."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from recsys.columns import Floats, Ints
from recsys.evaluation.off_policy import METHODS, Trials, estimate
from recsys.pipeline.exploration import mixed, place_probabilities

CONTEXTS, ITEMS, PLACES = 12, 8, 3
SHARE = 0.3  # of the requests that are explored
BY_PLACE = np.array([1.0, 0.6, 0.4])  # how many look that far


@dataclass(frozen=True)
class Site:
    """In each context the chance of a click on each item, the live policy's and the candidate's list."""

    appeal: Floats  # (contexts, items) at the first place
    greedy: Ints  # (contexts, places)
    candidate: Ints  # (contexts, places)
    logits: Floats  # (contexts, items)

    @property
    def truth(self) -> float:
        """Clicks per list of the candidate."""
        return float((np.take_along_axis(self.appeal, self.candidate, 1) * BY_PLACE).sum(axis=1).mean())


@pytest.fixture(scope="module")
def site() -> Site:
    draw = np.random.default_rng(3)
    appeal = draw.uniform(0.02, 0.5, (CONTEXTS, ITEMS))
    logits = np.log(appeal) * 0.5 + draw.normal(0, 0.8, appeal.shape)  # the live policy errs
    better = np.log(appeal) + draw.normal(0, 0.2, appeal.shape)
    logits -= logits.max(axis=1, keepdims=True)
    return Site(appeal, np.argsort(-logits)[:, :PLACES], np.argsort(-better)[:, :PLACES], logits)


def logged(site: Site, lists: int, seed: int, *, known: float = 1.0) -> Trials:
    """A log of the live policy: the greedy list or one drawn by Plackett-Luce, and clicks by item and place.

    ``known`` is how right the candidate is about its own clicks; each user has four lists.
    """
    draw = np.random.default_rng(seed)
    context = draw.integers(0, CONTEXTS, lists)
    drawn = np.argsort(-(site.logits[context] + draw.gumbel(size=(lists, ITEMS))))[:, :PLACES]
    shown = np.where(draw.random((lists, 1)) < SHARE, drawn, site.greedy[context])
    places = np.stack([place_probabilities(logits, PLACES) for logits in site.logits])  # (contexts, items, places)
    propensity = mixed(places[context[:, None], shown, np.arange(PLACES)], shown == site.greedy[context], SHARE)
    chance = np.take_along_axis(site.appeal[context], shown, 1) * BY_PLACE
    expected = np.take_along_axis(site.appeal[context], site.candidate[context], 1) * BY_PLACE * known
    return Trials(
        users=np.arange(lists) // 4,
        seen=np.ones((lists, PLACES), np.bool_),
        weights=(shown == site.candidate[context]) / propensity,
        clicked=(draw.random(shown.shape) < chance).astype(np.float64),
        expected=expected,
    )


def contains(interval: tuple[float, float], value: float) -> bool:
    return interval[0] <= value <= interval[1]


def test_the_estimates_hold_the_truth_and_the_average_of_the_log_does_not(site: Site) -> None:
    found = estimate(logged(site, 20_000, seed=0), draws=300)
    for method in METHODS:
        assert contains(found["confidence"][method], site.truth), method
        assert found[method] == pytest.approx(site.truth, rel=0.08), method
    assert site.truth > found["confidence"]["logged"][1] * 1.1
    assert found["warnings"] == []
    assert all(place["coverage"] == pytest.approx(1.0, abs=0.1) for place in found["places"])


def test_intervals_hold_the_truth_about_as_often_as_they_say(site: Site) -> None:
    logs = [estimate(logged(site, 1500, seed), draws=200) for seed in range(60)]
    for method in METHODS:
        assert sum(contains(found["confidence"][method], site.truth) for found in logs) >= 51, method
        assert np.mean([found[method] for found in logs]) == pytest.approx(site.truth, rel=0.04), method


@pytest.mark.parametrize("known", [1.0, 0.7])
def test_doubly_robust_and_self_normalised_estimates_vary_less(site: Site, known: float) -> None:
    logs = [estimate(logged(site, 1500, seed, known=known), draws=2) for seed in range(60)]
    spread = {method: np.std([found[method] for found in logs]) for method in METHODS}
    assert spread["dr"] < 0.9 * spread["ips"]
    assert spread["snips"] < spread["ips"]
    assert np.mean([found["dr"] for found in logs]) == pytest.approx(site.truth, rel=0.04)


def test_places_add_up_to_the_list(site: Site) -> None:
    found = estimate(logged(site, 2000, seed=1), draws=50)
    for name in ("logged", *METHODS):
        assert sum(place[name] for place in found["places"]) == pytest.approx(found[name])
    assert [place["place"] for place in found["places"]] == [1, 2, 3]
    assert found["effective_sample_size"] == min(place["effective_sample_size"] for place in found["places"])


def test_the_live_policy_itself_is_estimated_as_what_it_shows(site: Site) -> None:
    """Without exploration every weight is one, and every estimate is the average of the log."""
    clicked = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = estimate(Trials(np.arange(4), clicked >= 0, np.ones((4, 2)), clicked, np.full((4, 2), 0.3)), draws=20)
    assert found["logged"] == found["ips"] == found["snips"] == pytest.approx(found["dr"]) == 1.0
    assert [place["effective_sample_size"] for place in found["places"]] == [4, 4]


def test_lists_of_different_lengths_count_where_they_have_places() -> None:
    weights, clicked = np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    seen = np.array([[True, False], [True, True]])
    found = estimate(Trials(np.arange(2), seen, weights, clicked, np.zeros((2, 2))), draws=20)
    assert found["ips"] == pytest.approx((2 * 1 + 4 * 1) / 2)
    assert found["snips"] == pytest.approx(1.0 + 0.5 * 1.0)  # only every other list has a second place


def test_places_that_nobody_saw_say_nothing(site: Site) -> None:
    """Half of the readers look at the first place alone; what log and candidate have below it is not counted."""
    whole = logged(site, 20_000, seed=4)
    seen = whole.seen.copy()
    seen[whole.users % 2 == 0, 1:] = False
    found = estimate(replace(whole, seen=seen), draws=300)
    by_place = (np.take_along_axis(site.appeal, site.candidate, 1) * BY_PLACE).mean(axis=0)
    for method in METHODS:
        assert contains(found["confidence"][method], by_place[0] + by_place[1:].sum() / 2), method
    all_seen = estimate(whole, draws=20)
    for place, before in zip(found["places"][1:], all_seen["places"][1:], strict=True):
        assert place["effective_sample_size"] == pytest.approx(before["effective_sample_size"] / 2, rel=0.1)
        assert place["coverage"] == pytest.approx(1.0, abs=0.15)
    rubbish = np.where(seen, 0.0, 7.0)
    altered = replace(whole, seen=seen, weights=whole.weights + rubbish, expected=whole.expected + rubbish)
    assert estimate(altered, draws=300) == found


def test_a_place_that_nobody_saw_at_all_has_no_coverage(site: Site) -> None:
    whole = logged(site, 1000, seed=5)
    seen = whole.seen & (np.arange(PLACES) != 1)
    found = estimate(replace(whole, seen=seen), draws=20)
    assert [place["coverage"] is None for place in found["places"]] == [False, True, False]
    assert found["places"][1]["dr"] == found["places"][1]["logged"] == 0.0
    others = [found["places"][place]["effective_sample_size"] for place in (0, 2)]
    assert found["effective_sample_size"] == min(others) > 0
    assert not any("place 2" in warning for warning in found["warnings"])


@pytest.mark.parametrize(("users", "known"), [(1, False), (19, False), (20, True)])
def test_so_few_users_say_nothing_of_how_sure_it_is(site: Site, users: int, known: bool) -> None:
    whole = logged(site, 400, seed=6)
    found = estimate(replace(whole, users=np.arange(400) % users), draws=20)
    intervals = [found["confidence"], *(place["confidence"] for place in found["places"])]
    assert all((interval is not None) == known for one in intervals for interval in one.values())
    assert any("Fewer than 20 users" in warning for warning in found["warnings"]) != known


def test_too_few_lists_that_agree_are_warned_of(site: Site) -> None:
    few = estimate(logged(site, 300, seed=2), draws=50)
    assert any("effective lists" in warning for warning in few["warnings"])
    assert few["effective_sample_size"] < 100


def test_choices_that_the_log_never_shows_are_warned_of(site: Site) -> None:
    whole = logged(site, 20_000, seed=3)
    hidden = np.arange(20_000) % 2 == 0  # in half of the lists the candidate has what is never shown at the first place
    weights = whole.weights.copy()
    weights[hidden, 0] = 0.0
    found = estimate(replace(whole, weights=weights), draws=50)
    assert ["place 1 the candidate" in warning for warning in found["warnings"]] == [True]
    assert found["places"][0]["coverage"] == pytest.approx(0.5, abs=0.05)
