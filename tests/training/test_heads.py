import numpy as np
import pytest
import torch
from made_lists import (
    FRONT_PAGE,
    MODALITIES,
    OTHER,
    SIGNAL,
    click,
    click_chance,
    clicks_by,
    first_places,
    listwise_scores,
    made_lists,
    pointwise_scores,
)

from recsys.model.ranking_head import ListwiseHead
from recsys.pipeline.model import Heads
from recsys.training import heads as heads_room
from recsys.training.calibration import Calibration
from recsys.training.heads import HeadConfig, fit_heads
from recsys.training.lists import Lists

FAST = HeadConfig(epochs=10, batch=32, rate=1e-2)


def halves(lists: Lists) -> tuple[Lists, Lists]:
    middle = len(lists) // 2
    return lists.take(np.arange(middle)), lists.take(np.arange(middle, len(lists)))


def bits(heads: Heads) -> list[bytes]:
    states = (heads.pointwise.state_dict(), heads.listwise.state_dict())
    return [tensor.numpy().tobytes() for state in states for tensor in state.values()]


def test_the_pointwise_head_finds_what_is_clicked_among_sampled_articles() -> None:
    lists = made_lists(400, length=4, sampled=6)
    lists.rows[lists.shown, OTHER] += 5.0  # what is shown differs from what is not
    clicks_by(lists, SIGNAL, strength=4.0)
    train, test = halves(lists)
    without = np.repeat(np.arange(len(train)) % 3 == 2, 10)  # only some lists got samples
    mixed = train.take(np.arange(len(train)), train.shown | ~without)
    assert sorted(set(np.diff(mixed.offsets).tolist())) == [4, 10]
    scores = pointwise_scores(fit_heads(mixed, MODALITIES, config=FAST), test)
    assert first_places(scores, test) > 0.6  # of 10
    assert first_places(scores, test, test.shown) > 0.6  # of 4
    assert scores[test.shown].mean() > scores[~test.shown].mean() + 1.0


def test_samples_that_came_only_to_lists_without_a_click_leave_the_pointwise_head_trained() -> None:
    lists = made_lists(300, length=6, sampled=4)
    clicks_by(lists, SIGNAL, strength=4.0)
    sampled = np.arange(len(lists)) % 3 == 0
    lists.labels[np.repeat(sampled, 10)] = 0.0
    kept = lists.take(np.arange(len(lists)), lists.shown | np.repeat(sampled, 10))
    assert first_places(pointwise_scores(fit_heads(kept, MODALITIES, config=FAST), kept), kept) > 0.5


def test_the_listwise_head_learns_what_exists_only_relative_to_the_list() -> None:
    lists = made_lists(600, length=5)
    lists.rows[:, SIGNAL] += np.repeat(np.random.default_rng(1).standard_normal(600) * 5, 5)
    place = np.argsort(lists.rows[:, SIGNAL].reshape(600, 5), axis=1)[:, 2]  # the middle one is clicked
    click(lists, place)
    train, test = halves(lists)
    heads = fit_heads(train, MODALITIES, config=FAST)
    assert first_places(listwise_scores(heads, test)[0], test) > 0.8
    assert first_places(pointwise_scores(heads, test), test) < 0.45


def test_sampled_rows_are_not_in_the_lists_of_the_listwise_head() -> None:
    lists = made_lists(100, length=4, sampled=5)
    clicks_by(lists, SIGNAL, strength=3.0)
    corrupted = Lists(lists.offsets, lists.rows.copy(), lists.labels, lists.shown)
    corrupted.rows[~lists.shown] = 1e3
    before, after = (fit_heads(some, MODALITIES, config=FAST).listwise for some in (lists, corrupted))
    for name, tensor in before.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[name]), name


def test_predicted_clicks_are_as_many_as_there_are() -> None:
    lists = made_lists(1200)
    front = lists.rows[lists.offsets[:-1], FRONT_PAGE] > 0
    clicks_by(lists, SIGNAL, strength=1.0)
    empty = np.random.default_rng(5).random(1200) < np.where(front, 0.2, 0.7)
    lists.labels[np.repeat(empty, 6)] = 0.0
    train, test = lists.take(np.arange(900)), lists.take(np.arange(900, 1200))
    chance = click_chance(*listwise_scores(fit_heads(train, MODALITIES, config=FAST), test), test.offsets)
    clicked = test.labels.reshape(-1, 6).any(axis=1)
    assert chance.mean() == pytest.approx(clicked.mean(), abs=0.06)
    for page in (True, False):
        assert chance[front[900:] == page].mean() == pytest.approx(0.8 if page else 0.3, abs=0.1)


def test_where_every_list_has_a_click_the_chance_of_none_goes_to_nothing() -> None:
    lists = made_lists(400)
    clicks_by(lists, SIGNAL, strength=1.0)
    train, test = halves(lists)
    heads = fit_heads(train, MODALITIES, config=FAST)
    assert click_chance(*listwise_scores(heads, test), test.offsets).mean() > 0.97


def test_the_same_seed_gives_the_same_heads_and_leaves_the_callers_dice_alone() -> None:
    lists = made_lists(80, sampled=3)
    clicks_by(lists, SIGNAL, strength=2.0)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, again, other = (fit_heads(lists, MODALITIES, config=FAST, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert bits(first) == bits(again)
    assert bits(first) != bits(other)


def test_the_newest_lists_calibrate_and_are_trained_on_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = made_lists(200, sampled=2)
    clicks_by(lists, SIGNAL, strength=1.0, outside=1.0)
    seen: list[Lists] = []

    def calibrated(_head: ListwiseHead, held_out: Lists) -> Calibration:
        seen.append(held_out)
        return Calibration(2.5, -0.75)

    monkeypatch.setattr(heads_room, "calibrate", calibrated)
    heads = fit_heads(lists, MODALITIES, config=FAST)
    assert float(heads.listwise.temperature) == 2.5
    assert float(heads.listwise.outside_shift) == -0.75
    assert not heads.listwise.training
    assert not heads.pointwise.training
    expected = lists.take(np.arange(180, 200), lists.shown)
    np.testing.assert_array_equal(seen[0].rows, expected.rows)
    np.testing.assert_array_equal(seen[0].labels, expected.labels)
    lists.labels[lists.offsets[180] :] = 0.0
    other = fit_heads(lists, MODALITIES, config=FAST).listwise.state_dict()
    assert not torch.equal(heads.listwise.state_dict()["alone.0.weight"], other["alone.0.weight"])


@pytest.mark.parametrize(("lists", "length"), [(1, 6), (2, 1), (60, 1), (60, 3)])
@pytest.mark.parametrize("clicked", ["all", "none"])
def test_small_and_poor_logs_give_finite_heads(lists: int, length: int, clicked: str) -> None:
    made = made_lists(lists, length=length, sampled=2 if lists == 60 else 0)
    if clicked == "all":
        clicks_by(made, SIGNAL, strength=1.0)
    heads = fit_heads(made, MODALITIES, config=FAST)
    scores = [pointwise_scores(heads, made), *listwise_scores(heads, made)]
    assert all(np.isfinite(part).all() for part in scores)
    if lists == 60:
        chance = click_chance(scores[1], scores[2], made.offsets).mean()
        assert chance > 0.8 if clicked == "all" else chance < 0.2


def test_progress_rises_to_the_end() -> None:
    lists = made_lists(60)
    clicks_by(lists, SIGNAL, strength=1.0)
    said: list[tuple[int, int]] = []
    fit_heads(lists, MODALITIES, config=FAST, progress=lambda done, total: said.append((done, total)))
    shares = [done / total for done, total in said]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
