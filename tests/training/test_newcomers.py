"""What nobody has clicked yet: how it stands against what is known, and what training takes for an alternative."""

import dataclasses

import numpy as np
import pytest
import torch

from recsys.columns import NONE, ClickColumns
from recsys.model.two_towers import SHORTEST, unit
from recsys.pipeline.content import Content, ContentSpace
from recsys.pipeline.towers import Towers, blended_scores
from recsys.training.batches import Task, draw, make_task
from recsys.training.carried import TowerStart
from recsys.training.newcomers import SHARES, newcomer_share
from recsys.training.towers import FitConfig, fit_towers

ARTICLES, USERS, LENGTH = 60, 40, 10


def made(releases: bool) -> ClickColumns:
    """Ten clicks of each user, a second apart; with releases the last third of the articles is clicked from 7 on."""
    generator = np.random.default_rng(0)
    at = np.tile(np.arange(LENGTH, dtype=np.float64), USERS)
    old = np.concatenate([generator.permutation(np.arange(1, 31))[:LENGTH] for _ in range(USERS)])
    article = np.where((at >= 7) & (generator.random(len(at)) < 0.4) & releases, old + 29, old)
    n, nothing = len(at), np.zeros(len(at), np.int8)
    return ClickColumns(
        position=np.arange(1, n + 1), user=np.repeat(np.arange(1, USERS + 1), LENGTH), article=article, at=at,
        known_at=at, weight=np.ones(n), dwell=np.full(n, np.nan), device=nothing, backfilled=nothing,
        impression=np.full(n, NONE), page=nothing,
    )  # fmt: skip


def content() -> Content:
    vectors = np.random.default_rng(1).standard_normal((ARTICLES, 8)).astype(np.float32)
    return Content({"title": vectors}, {"title": np.arange(ARTICLES) > 0})


def task_of(clicks: ClickColumns, until: float = np.inf) -> Task:
    return make_task(ContentSpace.fit(content()), content(), clicks, until, None)


def test_the_share_of_newcomers_is_counted_in_the_newest_clicks() -> None:
    clicks = made(releases=True)
    newest = clicks.at > np.quantile(clicks.at, 0.8)
    before = set(clicks.article[~newest].tolist())
    expected = np.mean([article not in before for article in clicks.article[newest].tolist()])
    assert newcomer_share(task_of(clicks)) == pytest.approx(max(expected, SHARES[0]))
    assert newcomer_share(task_of(made(releases=False))) == SHARES[0]
    at_once = dataclasses.replace(clicks, at=np.zeros(len(clicks)))
    assert newcomer_share(task_of(at_once)) == SHARES[0]


def chance_of_newcomers(towers: Towers, clicks: ClickColumns) -> float:
    """Of the articles without clicks, for the mean logit of users at the end of training."""
    keys = np.arange(1, ARTICLES)
    learned, frozen = towers.item_vectors(content(), np.arange(ARTICLES))[0], towers.content_vectors(content(), keys)
    read = clicks.article.reshape(USERS, LENGTH)
    ages, mask = np.tile(np.arange(LENGTH, 0.0, -1), (USERS, 1)), np.ones(read.shape, np.bool_)
    profiles = towers.content_profiles(
        towers.content_vectors(content(), read.ravel()).reshape(*read.shape, -1), ages, mask
    )
    users = towers.user_vectors(learned[read], ages, mask)
    scores = blended_scores(users @ learned[keys].T, profiles @ frozen.T, towers.blend(keys)).astype(np.float64)
    new = towers.clicks(keys) == 0
    scores[np.repeat(np.arange(USERS), LENGTH), (read - 1).ravel()] = -np.inf
    odds = np.log(np.exp(scores[:, new]).sum(axis=1)) - np.log(np.exp(scores[:, ~new]).sum(axis=1))
    return float(1 / (1 + np.exp(-odds.mean())))


@pytest.mark.parametrize("releases", [True, False])
def test_articles_without_clicks_get_the_chance_that_such_articles_had(releases: bool) -> None:
    clicks = made(releases)
    clicks = dataclasses.replace(clicks, article=np.where(clicks.article > 50, clicks.article - 25, clicks.article))
    share = newcomer_share(task_of(clicks))
    towers = fit_towers(content(), clicks, config=FitConfig(epochs=2, batch=64, uniform=16))
    chance = chance_of_newcomers(towers, clicks)
    if releases:
        assert np.log(chance / (1 - chance)) == pytest.approx(np.log(share / (1 - share)), abs=1.0)
    else:
        assert share == SHARES[0]
        assert SHARES[0] / 4 < chance < 2 * SHARES[0]


def test_going_on_settles_it_anew_and_does_not_add_it_twice() -> None:
    clicks, config = made(releases=True), FitConfig(epochs=2, batch=64, uniform=16)
    first = fit_towers(content(), clicks, until=np.inf, config=config)
    settled = float(first.model.blend.newcomers)
    assert abs(settled) > 0.4
    again = fit_towers(content(), clicks, start=TowerStart(first, np.inf), config=config)  # no click is new to it
    assert float(again.model.blend.newcomers) == pytest.approx(settled, abs=0.1)


def test_what_a_user_saw_and_disliked_before_is_no_alternative_to_a_click() -> None:
    """Weight 0: seen. It teaches nothing, and nobody would be shown it again."""
    clicks = made(releases=False)
    disliked = (clicks.user == 1) & (clicks.at == 3)
    task = task_of(dataclasses.replace(clicks, weight=np.where(disliked, 0.0, 1.0)))
    rows = np.flatnonzero(task.histories.user == 1)
    batch = draw(task, rows, 50, ARTICLES, np.random.default_rng(0))
    columns = task.keys[batch.items[batch.columns].numpy()]
    for number, row in enumerate(rows):
        before = clicks.article[(clicks.user == 1) & (clicks.at < task.histories.at[row])]
        assert set(columns[batch.excluded[number].numpy()]) == set(before.tolist())
    assert clicks.article[disliked] not in task.histories.article[rows]


def test_clicks_older_than_the_window_are_no_alternatives_either() -> None:
    clicks = made(releases=False)
    task = task_of(clicks)
    rows = np.flatnonzero(task.histories.user == 2)
    batch = draw(task, rows, 2, ARTICLES, np.random.default_rng(0))
    assert batch.mask.sum(dim=1).tolist() == [min(2, number) for number in range(LENGTH)]
    assert batch.excluded.sum(dim=1).tolist() == list(range(LENGTH))


def test_what_was_only_shown_has_places_too() -> None:
    """Articles that are in no example are no place, and must not stand for another."""
    clicks = made(releases=False)
    seen_only = dataclasses.replace(
        clicks, weight=np.where(clicks.at == 0, 0.0, 1.0), article=np.where(clicks.at == 0, 55, clicks.article)
    )
    task = task_of(seen_only)
    example, place = task.seen.pairs(task.examples)
    assert 55 not in task.keys
    assert (place >= 0).all()
    assert len(example) == sum(range(1, LENGTH - 1)) * USERS


def test_the_gradient_of_a_direction_stays_bounded_where_an_id_begins() -> None:
    vectors = torch.zeros(3, 4, requires_grad=True)
    unit(vectors).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.abs().max() <= 1 / SHORTEST + 1e-3
    torch.testing.assert_close(unit(torch.tensor([[0.0, 3.0, 4.0]])), torch.tensor([[0.0, 0.6, 0.8]]))
