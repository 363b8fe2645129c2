"""How much a click teaches by its dwell time, and that nothing else changes where none counts."""

from collections.abc import Iterator
from dataclasses import replace

import made_world
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_lists import MODALITIES, SIGNAL, click, first_places, made_lists, pointwise_scores
from made_week import made_week

from recsys.columns import NONE, ClickColumns, Floats
from recsys.pipeline.model import Model
from recsys.training import fit as fit_room
from recsys.training.fit import TrainingSet, fit
from recsys.training.grades import AGEING, ENOUGH, SETTLED, graded_by_age, grades_of, grades_of_rows, share_read
from recsys.training.heads import HeadConfig, fit_heads
from recsys.training.towers import FitConfig

UNTIL = 1e6
DWELL = st.one_of(st.just(np.nan), st.floats(0, 1e5))
CLICK = st.tuples(st.floats(0, UNTIL), DWELL, st.sampled_from([0.0, 1.0]), st.integers(0, 1))


def columns(clicks: list[tuple[float, float, float, int]]) -> ClickColumns:
    """Clicks as (known_at, dwell, weight, backfilled)."""
    known_at, dwell, weight, backfilled = (np.array(column) for column in zip(*clicks, strict=True))
    n, whole, small = len(clicks), np.arange(1, len(clicks) + 1), np.zeros(len(clicks), np.int8)
    return ClickColumns(
        position=whole, user=whole, article=whole, at=known_at, known_at=known_at, weight=weight, dwell=dwell,
        backfilled=backfilled.astype(np.int8), impression=np.full(n, NONE), page=small, device=small,
    )  # fmt: skip


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20).map(sorted), st.floats(0.01, 1.0))
def test_a_longer_reading_never_counts_less_and_half_a_minute_is_enough(dwell: list[float], bounce: float) -> None:
    shares = share_read(np.array(dwell), bounce)
    assert (np.diff(shares) >= 0).all()
    assert (shares >= bounce).all()
    assert (shares <= 1.0).all()
    assert (shares[np.array(dwell) >= ENOUGH] == 1.0).all()
    assert share_read(np.zeros(1), bounce)[0] == bounce


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50))
def test_newer_clicks_count_more_in_a_log_of_whatever_length(at: list[float]) -> None:
    times = np.array(at)
    grades = graded_by_age(times)
    assert grades.mean() == pytest.approx(1.0)
    newer = np.argsort(times, kind="stable")
    assert (np.diff(grades[newer]) >= 0).all()
    assert grades.max() / grades.min() <= 2 ** (1 / AGEING)
    ties = times[:, None] == times
    assert (grades[:, None] == grades)[ties].all()


def test_the_order_of_the_clicks_decides_and_not_their_ages() -> None:
    np.testing.assert_array_equal(graded_by_age(np.array([1.0, 2.0, 3.0])), graded_by_age(np.array([1.0, 7.0, 1e9])))


@given(st.lists(CLICK, min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_clicks_with_a_dwell_time_count_one_on_average_and_so_do_all_others(
    clicks: list[tuple[float, float, float, int]], bounce: float
) -> None:
    made = columns(clicks)
    grades = grades_of(made, UNTIL, bounce)
    early = (made.known_at <= UNTIL - SETTLED) | (made.backfilled == 1)
    known = (made.weight > 0) & ~np.isnan(made.dwell) & early
    assert (grades is None) == (not known.any())
    if grades is not None:
        assert grades[known].mean() == pytest.approx(1.0)
        assert (grades[~known] == 1.0).all()
        assert grades[known].max() / grades[known].min() <= 1 / bounce + 1e-9


@given(st.lists(CLICK, min_size=1, max_size=20), st.lists(DWELL, min_size=20, max_size=20))
def test_what_was_not_settled_before_the_end_changes_nothing(
    clicks: list[tuple[float, float, float, int]], others: list[float]
) -> None:
    made = columns(clicks)
    late = (made.known_at > UNTIL - SETTLED) & (made.backfilled == 0)
    changed = replace(made, dwell=np.where(late, np.array(others[: len(made)]), made.dwell))
    np.testing.assert_equal(grades_of(changed, UNTIL, 0.5), grades_of(made, UNTIL, 0.5))


def test_a_setting_of_one_turns_it_off() -> None:
    assert grades_of(columns([(0.0, 2.0, 1.0, 0), (1.0, 60.0, 1.0, 0)]), UNTIL, 1.0) is None


def test_a_row_counts_what_its_own_click_counts_and_of_two_the_most() -> None:
    made = columns([(float(n), 1.0, float(n != 3), 0) for n in range(5)])
    made = replace(made, impression=np.array([7, 7, 7, 8, NONE]), article=np.array([5, 6, 5, 5, 6]))
    grades = np.array([0.5, 0.7, 1.2, 1.4, 1.6])
    found = grades_of_rows(made, grades, np.array([7, 7, 7, 9]), np.array([5, 6, 9, 5]))
    np.testing.assert_array_equal(found, np.array([1.2, 0.7, 1.0, 1.0], np.float32))


def test_the_pointwise_head_prefers_what_was_read_and_the_listwise_head_takes_no_notice() -> None:
    """Half of the clicks go to the highest of a column and were read, half to the lowest and were bounces."""
    lists = made_lists(200, length=5)
    by_column = np.argsort(lists.rows[:, SIGNAL].reshape(200, 5), axis=1)
    read = np.arange(200) % 2 == 0
    click(lists, np.where(read, by_column[:, -1], by_column[:, 0]))
    grades = np.repeat(np.where(read, 1.8, 0.2), 5).astype(np.float32)
    config = HeadConfig(epochs=8, batch=32, rate=1e-2, held_out=0.0)
    graded, plain = (fit_heads(some, MODALITIES, config=config) for some in (replace(lists, grades=grades), lists))
    kept = lists.take(np.flatnonzero(read))
    assert first_places(pointwise_scores(graded, kept), kept) > 0.9
    assert first_places(pointwise_scores(plain, kept), kept) < 0.8
    for mine, other in zip(graded.listwise.parameters(), plain.listwise.parameters(), strict=True):
        assert mine.equal(other)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSet]:
    yield from made_week(tmp_path_factory.mktemp("grades") / "home", made_world.SPLIT)


def trained(data: TrainingSet, dwell: Floats) -> Model:
    log = replace(data.log, clicks=replace(data.log.clicks, dwell=dwell))
    few = FitConfig(max_steps=8, batch=128, uniform=16)
    return fit(replace(data, log=log), version="v1", towers=few, heads=HeadConfig(epochs=1))


def weights(model: Model) -> dict[str, list[bytes]]:
    assert model.heads is not None
    parts = {"towers": model.views.towers.model, "pointwise": model.heads.pointwise, "listwise": model.heads.listwise}
    return {name: [tensor.numpy().tobytes() for tensor in part.state_dict().values()] for name, part in parts.items()}


def test_dwell_times_known_before_the_end_reach_the_weights_and_later_ones_do_not(
    training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks = training.log.clicks
    bounced = np.where(np.arange(len(clicks)) % 3 == 0, 1.0, 90.0)
    late = (clicks.known_at + SETTLED > training.until) & (clicks.backfilled == 0)
    assert 0 < late.sum() < len(late)
    plain = weights(trained(training, np.full(len(clicks), np.nan)))
    graded = weights(trained(training, bounced))
    assert all(graded[part] != plain[part] for part in ("towers", "pointwise"))
    assert weights(trained(training, np.where(late, bounced, np.nan))) == plain
    monkeypatch.setattr(fit_room, "grades_of", lambda *_: None)  # as if there were no such thing
    assert weights(trained(training, bounced)) == plain
