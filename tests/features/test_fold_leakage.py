"""Point in time: what becomes known at an instant or later changes no feature of a list of that instant or earlier."""

from dataclasses import replace

import numpy as np
from fold_leaks import corrupted, dated_by_click, deleted, examples_until
from fold_worlds import World, begun, busy_world, log_of, stamps_of, thorough, worlds
from hypothesis import given
from hypothesis import strategies as st

from recsys.columns import EventLog


def unchanged(world: World, log: EventLog, bent: EventLog, t: float, keep: np.ndarray, sampled: int = 3) -> bool:
    """Whether the lists that are known before ``t``, or are kept at ``t``, are the same with another future."""
    expected = examples_until(begun(world, sampled=sampled), log, t)
    found = examples_until(begun(world, sampled=sampled), bent, t)
    compared = {s.position for s in world.shown if s.known_at < t} | set(keep.tolist())
    return {p: found.get(p) for p in compared} == {p: expected[p] for p in compared}


@given(world=worlds(), place=st.integers(0, 99))
@thorough(80)
def test_deleting_the_future_changes_nothing_before(world: World, place: int) -> None:
    log = log_of(world)
    t = float(stamps_of(log)[place % len(stamps_of(log))])
    keep = log.impressions.position[log.impressions.known_at == t]
    assert unchanged(world, log, deleted(log, t), t, keep)


@given(world=worlds(), place=st.integers(0, 99), seed=st.integers(0, 99), alone=st.booleans())
@thorough(120)
def test_corrupting_the_future_changes_nothing_before(world: World, place: int, seed: int, alone: bool) -> None:
    log = log_of(world)
    t = float(stamps_of(log)[place % len(stamps_of(log))])
    keep = log.impressions.position[log.impressions.known_at == t]
    keep = (
        keep[seed % len(keep) :][:1] if alone and len(keep) else keep
    )  # alone: the other lists of t are corrupted too
    assert unchanged(world, log, corrupted(log, t, keep, begun(world), seed), t, keep)


def test_clicks_known_at_exactly_that_instant_are_corrupted_too() -> None:
    world = busy_world(10, lists=60)
    log = log_of(world)
    ties = np.intersect1d(log.impressions.known_at, log.clicks.known_at)
    assert len(ties) > 10
    for t in ties[::5]:
        keep = log.impressions.position[log.impressions.known_at == t]
        bent = corrupted(log, float(t), keep, begun(world), 1)
        assert not np.array_equal(bent.clicks.article, log.clicks.article)
        assert unchanged(world, log, bent, float(t), keep)


def test_control_folding_clicks_when_they_happen_is_caught() -> None:
    """The check fails for a fold that leaks: clicks enter at ``at``, before the system could know them."""
    world = busy_world(11, lists=60)
    log, caught = log_of(world), 0
    stamps = np.unique(log.impressions.known_at)[5::5]
    for t in stamps:
        keep = log.impressions.position[log.impressions.known_at == t]
        bent = corrupted(log, float(t), keep, begun(world), 1)
        caught += not unchanged(world, dated_by_click(log), dated_by_click(bent), float(t), keep)
    assert caught > len(stamps) / 2


def test_control_known_at_decides_not_at() -> None:
    world = busy_world(12, lists=60)
    log = log_of(world)
    leaky = dated_by_click(log)
    t = world.shown[-1].known_at
    assert examples_until(begun(world), leaky, t) != examples_until(begun(world), log, t)


@given(world=worlds(), seed=st.integers(0, 99))
@thorough(40)
def test_when_a_click_happened_moves_no_counter(world: World, seed: int) -> None:
    """``at`` orders nothing across stamps: it is only read as the age of a click, for its user and for likeness."""
    log, draw = log_of(world), np.random.default_rng(seed)
    earlier = tuple(c._replace(at=c.known_at - float(draw.integers(0, 10**6))) for c in world.clicked)
    moved = replace(world, clicked=earlier)
    first, second = begun(world), begun(moved)
    first.run(log)
    second.run(log_of(moved))
    for name in ("counts", "stamp", "first_shown", "last_shown", "totals", "reader_total"):
        np.testing.assert_array_equal(getattr(first.state, name), getattr(second.state, name), err_msg=name)
