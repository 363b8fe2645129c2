"""Co-clicks: who is paired with whom, from when, and how often."""

import numpy as np

from recsys.columns import NONE, ClickColumns, Ints
from recsys.lifecycle import coclicks
from recsys.lifecycle.coclicks import DRAWS, PER_USER, co_clicks


def clicks(user: list[int], article: list[int], weight: list[float] | None = None) -> ClickColumns:
    """One click a second."""
    n = len(user)
    nothing, at = np.zeros(n, np.int8), np.arange(float(n))
    return ClickColumns(
        position=np.arange(n), user=np.array(user), article=np.array(article), at=at, known_at=at,
        weight=np.ones(n) if weight is None else np.array(weight), backfilled=nothing, impression=np.full(n, NONE),
        dwell=np.full(n, np.nan), page=nothing, device=nothing,
    )  # fmt: skip


def distinct(pairs: Ints) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in pairs}


def many(log: ClickColumns, **options: float) -> set[tuple[int, int]]:
    """Everything that may be drawn."""
    return set().union(*(distinct(co_clicks(log, seed=seed, **options)) for seed in range(40)))  # type: ignore[arg-type]


def test_a_click_is_paired_with_an_earlier_one_of_its_user() -> None:
    log = clicks([1, 2, 1, 2, 1, 3], [10, 20, 11, 21, 12, 30])
    assert many(log) == {(11, 10), (12, 10), (12, 11), (21, 20)}


def test_the_window_ends_the_reach() -> None:
    assert many(clicks([1] * 4, [1, 2, 3, 4]), window=2) == {(2, 1), (3, 1), (3, 2), (4, 2), (4, 3)}


def test_what_is_known_later_or_was_not_liked_is_no_pair() -> None:
    log = clicks([1] * 5, [1, 2, 3, 4, 5], [1.0, 0.0, 1.0, 1.0, 1.0])
    assert many(log, until=4.0) == {(3, 1), (4, 1), (4, 3)}  # the fifth click is known at 4.0 exactly
    before = co_clicks(log, until=3.0, seed=1)
    other = clicks([1] * 5, [1, 2, 3, 9, 8], [1.0, 0.0, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(co_clicks(other, until=3.0, seed=1), before)


def test_an_article_is_no_pair_of_itself_and_one_click_is_none() -> None:
    assert not len(co_clicks(clicks([1, 1, 2], [5, 5, 6])))
    assert not len(co_clicks(clicks([], [])))


def test_the_seed_decides() -> None:
    log = clicks([1] * 30, list(range(30)))
    np.testing.assert_array_equal(co_clicks(log, seed=3), co_clicks(log, seed=3))
    assert not np.array_equal(co_clicks(log, seed=3), co_clicks(log, seed=4))


def test_an_avid_reader_counts_for_the_newest_clicks_only() -> None:
    n = PER_USER + 50
    pairs = co_clicks(clicks([1] * n, list(range(n))))
    assert pairs[:, 0].min() >= 50
    assert len(pairs) <= PER_USER * DRAWS


def test_popular_articles_are_damped() -> None:
    """Each of 400 readers reads article 0 and then one that nobody else reads, or two such."""
    readers = np.arange(400)
    first = np.where(readers % 2, 0, 1000 + readers)
    user, article = np.repeat(readers, 2), np.stack([first, 2000 + readers], axis=1).ravel()
    pairs = co_clicks(clicks(user.tolist(), article.tolist()))
    with_popular = int((pairs == 0).any(axis=1).sum())
    assert 0 < with_popular < (len(pairs) - with_popular) / 4


def test_a_partner_is_drawn_evenly_from_the_window(monkeypatch) -> None:
    monkeypatch.setattr(coclicks, "DRAWS", 6000)
    pairs = co_clicks(clicks([1] * 4, [1, 2, 3, 4]))
    of_the_last = pairs[pairs[:, 0] == 4, 1]
    shares = np.bincount(of_the_last)[1:] / len(of_the_last)
    assert 0.5 < shares[2] / shares[0] < 2.0  # damping apart, each is as likely
    assert (np.bincount(of_the_last)[1:] > 0).all()
