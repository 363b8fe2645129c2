"""The last step: the best candidates, but not many of one kind."""

from collections import Counter
from random import Random
from statistics import pstdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.pipeline.selector import select

LARGEST = float(np.finfo(np.float32).max)
UTILITY = st.one_of(st.integers(-160, 160).map(lambda eighths: eighths / 8), st.just(-np.inf))


@st.composite
def candidates(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Utilities, vectors (some of them zeros) and sections of up to 25 candidates."""
    n = draw(st.integers(0, 25))
    utility = np.array(draw(st.lists(UTILITY, min_size=n, max_size=n)), np.float32)
    vectors = np.random.default_rng(draw(st.integers(0, 99))).standard_normal((n, 4)).astype(np.float32)
    vectors[np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)] = 0.0
    sections = np.array(draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)), np.int64)
    return utility, vectors, sections


unhurried = settings(deadline=None, max_examples=60)  # the machine may be busy
limits = st.integers(0, 30)
caps = st.integers(1, 10)
shares = st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0])


@unhurried
@given(candidates(), limits, caps, shares)
def test_as_many_as_wanted_and_each_once(made: tuple, limit: int, cap: int, diversity: float) -> None:
    chosen = select(*made, limit, diversity=diversity, section_cap=cap)
    n = len(made[0])
    assert len(chosen) == min(limit, n)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(range(n))


@unhurried
@given(candidates(), limits, caps, shares)
def test_the_cap_is_exceeded_only_where_nothing_else_is_left(
    made: tuple, limit: int, cap: int, diversity: float
) -> None:
    sections = made[2].tolist()
    most = max(1, round(cap * limit / 10))
    counts = dict.fromkeys([-1, 0, 1, 2, 3], 0)
    left = set(range(len(sections)))
    for row in select(*made, limit, diversity=diversity, section_cap=cap):
        full = {section for section, count in counts.items() if section >= 0 and count >= most}
        assert sections[row] not in full or all(sections[other] in full for other in left)
        counts[sections[row]] += 1
        left.discard(row)


@unhurried
@given(candidates(), limits, caps, shares)
def test_a_candidate_without_utility_is_chosen_only_where_the_cap_leaves_no_other(
    made: tuple, limit: int, cap: int, diversity: float
) -> None:
    utility, _, sections = made
    chosen = select(*made, limit, diversity=diversity, section_cap=cap)
    most = max(1, round(cap * limit / 10))
    for place, row in enumerate(chosen):
        if np.isfinite(utility[row]):
            continue
        above = sections[chosen[:place]].tolist()
        for other in set(range(len(utility))) - set(chosen[:place]):
            full = sections[other] >= 0 and above.count(sections[other]) >= most
            assert full or not np.isfinite(utility[other])


@unhurried
@given(st.lists(st.floats(width=32, allow_nan=False), max_size=25), limits)
def test_without_diversity_and_cap_it_is_the_order_of_utility(values: list[float], limit: int) -> None:
    """Of any size, huge or tiny; among equals, the first comes first."""
    utility = np.array([min(value, LARGEST) for value in values], np.float32)
    blank, nowhere = np.zeros((len(utility), 2), np.float32), np.full(len(utility), -1)
    chosen = select(utility, blank, nowhere, limit, diversity=0.0, section_cap=10)
    assert chosen == np.argsort(-utility, kind="stable")[:limit].tolist()


@unhurried
@given(candidates(), limits, caps, shares)
def test_each_place_goes_to_the_best_that_the_cap_leaves(made: tuple, limit: int, cap: int, diversity: float) -> None:
    """The definition of maximal marginal relevance, place by place, in plain Python."""
    utility, vectors, sections = made
    chosen = select(*made, limit, diversity=diversity, section_cap=cap)
    most = max(1, round(cap * limit / 10))
    known = utility[np.isfinite(utility)].astype(float).tolist()
    deviation = (pstdev(known) if known else 0.0) or 1.0

    def value(row: int, above: list[int]) -> float:
        gain = float(utility[row]) / deviation if np.isfinite(utility[row]) else 0.0
        return (1 - diversity) * gain - diversity * max((cosine(vectors[row], vectors[a]) for a in above), default=0.0)

    for place, row in enumerate(chosen):
        above = chosen[:place]
        taken = Counter(sections[above].tolist())
        left = [r for r in range(len(utility)) if r not in above]
        rivals = [r for r in left if sections[r] < 0 or taken[int(sections[r])] < most] or left
        rivals = [r for r in rivals if np.isfinite(utility[r])] or rivals
        assert row in rivals
        assert value(row, above) >= max(value(r, above) for r in rivals) - 1e-5


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two vectors, 0 where it is negative or one of them is nothing."""
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return max(0.0, float(a @ b) / norms) if norms else 0.0


@unhurried
@given(candidates(), limits, caps, shares)
def test_ties_are_decided_by_the_order_of_candidates_alone(made: tuple, limit: int, cap: int, diversity: float) -> None:
    """Twins of every candidate behind all of them, like them in everything, never come before them."""
    given_ = [column.copy() for column in made]
    twins = [np.concatenate([column, column]) for column in made]
    n = len(made[0])
    chosen = select(*twins, limit, diversity=diversity, section_cap=cap)
    first = {row % n: row for row in reversed(chosen)}
    assert all(row < n for row in first.values())
    assert chosen == select(*twins, limit, diversity=diversity, section_cap=cap)
    for column, before in zip(made, given_, strict=True):
        np.testing.assert_array_equal(column, before)


@unhurried
@given(candidates(), limits, caps, st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter_where_no_two_are_equal(
    made: tuple, limit: int, cap: int, random: Random
) -> None:
    _, vectors, sections = made
    n = len(sections)
    utility = np.array(random.sample(range(-n, n), n), np.float32)
    order = np.array(random.sample(range(n), n), np.int64)
    straight = select(utility, vectors, sections, limit, diversity=0.0, section_cap=cap)
    shuffled = select(utility[order], vectors[order], sections[order], limit, diversity=0.0, section_cap=cap)
    assert order[shuffled].tolist() == straight


@unhurried
@given(candidates(), limits, caps, shares)
def test_the_best_comes_first(made: tuple, limit: int, cap: int, diversity: float) -> None:
    chosen = select(*made, limit, diversity=diversity, section_cap=cap)
    if chosen:
        assert made[0][chosen[0]] == made[0].max() or diversity == 1.0


@unhurried
@given(candidates(), limits, shares, st.floats(0.01, 100))
def test_the_lengths_of_vectors_do_not_matter(made: tuple, limit: int, diversity: float, factor: float) -> None:
    utility, vectors, sections = made
    longer = vectors * np.float32(4.0 ** round(np.log(factor)))
    first = select(utility, vectors, sections, limit, diversity=diversity, section_cap=4)
    assert select(utility, longer, sections, limit, diversity=diversity, section_cap=4) == first


def test_the_second_place_goes_to_what_is_unlike_the_first() -> None:
    utility = np.array([2.0, 1.9, 1.0], np.float32)
    vectors = np.array([[1, 0], [1, 0.01], [0, 1]], np.float32)
    sections = np.full(3, -1)
    assert select(utility, vectors, sections, 3, diversity=0.0, section_cap=4) == [0, 1, 2]
    assert select(utility, vectors, sections, 3, diversity=0.8, section_cap=4) == [0, 2, 1]


def test_what_is_opposite_is_no_better_than_what_is_unrelated() -> None:
    utility = np.array([3.0, 1.0, 0.9], np.float32)
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    assert select(utility, vectors, np.full(3, -1), 3, diversity=0.9, section_cap=4) == [0, 1, 2]


@pytest.mark.parametrize(("limit", "most"), [(10, 4), (5, 2), (20, 8), (1, 1)])
def test_the_cap_counts_in_ten(limit: int, most: int) -> None:
    utility = np.arange(60, 0, -1).astype(np.float32)
    sections = np.repeat([0, 1, 2], 20)
    chosen = select(utility, np.zeros((60, 2), np.float32), sections, limit, diversity=0.0, section_cap=4)
    assert int((sections[chosen] == 0).sum()) == most


def test_the_cap_also_keeps_out_what_only_one_stage_has_scored() -> None:
    utility = np.array([3.0, 2.0, 1.0, -np.inf], np.float32)
    sections = np.array([0, 0, 0, 1])
    assert select(utility, np.zeros((4, 2), np.float32), sections, 4, diversity=0.0, section_cap=4) == [0, 1, 3, 2]
