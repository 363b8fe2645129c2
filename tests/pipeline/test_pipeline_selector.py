"""The last step: the best candidates, but not many of one kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.pipeline.selector import select

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


unhurried = settings(deadline=None)  # the machine may be busy
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
@given(candidates(), limits)
def test_without_diversity_and_cap_it_is_the_order_of_utility(made: tuple, limit: int) -> None:
    chosen = select(*made, limit, diversity=0.0, section_cap=10)
    expected = np.argsort(-made[0], kind="stable")[:limit]
    np.testing.assert_array_equal(made[0][chosen], made[0][expected])


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
