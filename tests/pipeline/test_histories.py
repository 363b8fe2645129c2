import numpy as np

from recsys.columns import NONE, ClickColumns
from recsys.pipeline.histories import Histories


def columns(*clicks: tuple[int, int, float, float, float, int]) -> ClickColumns:
    """Clicks as (user, article, at, known_at, weight, backfilled)."""
    user, article, at, known_at, weight, backfilled = (np.array(column) for column in zip(*clicks, strict=True))
    n, nothing = len(user), np.zeros(len(user), np.int8)
    return ClickColumns(
        position=np.arange(1, n + 1),
        user=user.astype(np.int64),
        article=article.astype(np.int64),
        at=at.astype(np.float64),
        known_at=known_at.astype(np.float64),
        weight=weight.astype(np.float64),
        dwell=np.full(n, np.nan),
        backfilled=backfilled.astype(np.int8),
        impression=np.full(n, NONE),
        page=nothing,
        device=nothing,
    )


def inputs(histories: Histories) -> dict[int, list[int]]:
    """Articles of each click's own input, by the article clicked."""
    start, end = histories.before_own()
    spans = zip(histories.article.tolist(), start, end, strict=True)
    return {article: histories.article[first:behind].tolist() for article, first, behind in spans}


def test_a_click_sees_only_what_was_known_strictly_earlier() -> None:
    log = columns(
        (1, 10, 5, 5, 1, 0), (2, 20, 5, 5, 1, 0), (1, 11, 7, 9, 1, 0), (1, 12, 8, 8, 1, 0), (1, 13, 9, 9, 1, 0)
    )
    assert inputs(Histories.of(log)) == {10: [], 12: [10], 11: [10, 12], 13: [10, 12], 20: []}


def test_what_was_only_seen_is_no_part_of_it() -> None:
    log = columns((1, 10, 5, 5, 1, 0), (1, 11, 6, 6, 0, 0), (1, 12, 7, 7, 1, 0))
    assert inputs(Histories.of(log)) == {10: [], 12: [10]}


def test_backfilled_clicks_are_ordered_by_when_they_happened() -> None:
    log = columns((1, 10, 5, 100, 1, 1), (1, 11, 6, 100, 1, 1), (1, 12, 6, 100, 1, 1), (1, 13, 100, 100, 1, 0))
    assert inputs(Histories.of(log)) == {10: [], 11: [10], 12: [10], 13: []}


def test_a_live_click_does_not_see_what_was_backfilled_later() -> None:
    log = columns((1, 10, 5, 100, 1, 1), (1, 11, 50, 50, 1, 0), (1, 12, 101, 101, 1, 0))
    assert inputs(Histories.of(log)) == {11: [], 10: [11], 12: [11, 10]}


def test_requests_see_what_is_known_strictly_before_them() -> None:
    histories = Histories.of(columns((1, 10, 5, 5, 1, 0), (1, 11, 6, 8, 1, 0), (3, 12, 7, 7, 1, 0)))
    users, times = np.array([1, 1, 1, 2, 3, 1]), np.array([5.0, 8.0, 9.0, 9.0, 9.0, 5.5])
    start, end = histories.before(users, times)
    assert (end - start).tolist() == [0, 1, 2, 0, 1, 1]
    window = histories.windows(start, end, times, size=2)
    assert window.article.tolist() == [[-1, -1], [-1, 10], [10, 11], [-1, -1], [-1, 12], [-1, 10]]
    assert window.age[2].tolist() == [4.0, 3.0]
    np.testing.assert_array_equal(window.mask, window.article != NONE)


def test_windows_hold_the_newest() -> None:
    histories = Histories.of(columns(*((1, article, article, article, 1, 0) for article in range(1, 9))))
    start, end = histories.before_own()
    window = histories.windows(start[-1:], end[-1:], np.array([8.0]), size=3)
    assert window.article.tolist() == [[5, 6, 7]]


def test_no_clicks_at_all() -> None:
    histories = Histories.of(columns((1, 10, 5, 5, 0, 0)))
    start, end = histories.before(np.array([1]), np.array([9.0]))
    assert not histories.windows(start, end, np.array([9.0]), size=4).mask.any()
