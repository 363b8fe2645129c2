"""NRMS and NAML: they learn two camps of readers, from vectors and from ids, from clicks and from lists."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_clicks import CAMP, NOBODYS, SIZE, two_camps, window
from news_models import (
    NEGATIVES,
    PLANS,
    News,
    Plan,
    clicks_in,
    clicks_maker,
    clicks_of,
    fit_lists,
    recommender,
    row_name,
    tuned_clicks,
    tuned_lists,
)
from news_modules import AdditiveAttention, Coded, SelfAttentionUser

from recsys.columns import NONE
from recsys.features.examples import HISTORY, Examples
from recsys.features.features import WIDTH
from recsys.pipeline.content import Content

KINDS = ("NRMS", "NAML")
QUICK = Plan(epochs=4, rate=3e-3, batch=32)


def titles() -> News:
    """Title vectors in which the camps lie apart."""
    generator = np.random.default_rng(1)
    vectors = generator.standard_normal((SIZE, 16)).astype(np.float32) * 0.3
    vectors[1 : CAMP + 1, 0] += 1.0
    vectors[CAMP + 1 : 2 * CAMP + 1, 0] -= 1.0
    vectors[[0, NOBODYS]] = 0
    there = np.abs(vectors).sum(axis=1) > 0
    sections = np.where(there, np.arange(SIZE) > CAMP, NONE).astype(np.int64)
    return News.of(Content({"title": vectors, "image": vectors}, {"title": there, "image": there}), sections)


def ids() -> News:
    nothing = np.zeros(SIZE, np.bool_)
    return News.of(Content({"title": np.zeros((SIZE, 16), np.float32)}, {"title": nothing}), None, SIZE)


def camp_lists(count: int = 200) -> Examples:
    """Lists of three of each camp, shown to readers of one camp, who click one of theirs."""
    generator = np.random.default_rng(2)
    camp = np.arange(count) % 2
    shown = np.stack(
        [np.append(generator.permutation(CAMP)[:3], generator.permutation(CAMP)[:3] + CAMP) + 1 for _ in camp]
    )
    history = np.full((count, HISTORY), NONE)
    history[:, -4:] = generator.integers(1, CAMP + 1, (count, 4)) + CAMP * camp[:, None]
    labels = np.zeros((count, 6), np.float32)
    labels[np.arange(count), 3 * camp] = 1
    rows = count * 6
    return Examples(
        offsets=np.arange(count + 1) * 6, keys=shown.ravel(), shown=np.ones(rows, np.bool_), labels=labels.ravel(),
        features=np.zeros((rows, WIDTH), np.float32), position=np.arange(count), user=camp, at=np.arange(float(count)),
        context_article=np.full(count, NONE), history=history, history_at=np.zeros((count, HISTORY)),
    )  # fmt: skip


def own_camp_first(scores: np.ndarray, lists: Examples) -> float:
    """Share of the pairs of a list in which an article of the reader's camp is scored above one of the other's."""
    by_list, camp = scores.reshape(-1, 2, 3), lists.user
    own, other = by_list[np.arange(len(camp)), camp], by_list[np.arange(len(camp)), 1 - camp]
    return float((own[:, :, None] > other[:, None, :]).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("news", [titles, ids])
def test_a_reader_who_was_not_in_training_gets_the_articles_of_their_camp(kind, news) -> None:
    test = SimpleNamespace(train=two_camps())
    scores = clicks_maker(kind, news(), QUICK)(test, 0)(window([1, 2, 3], [CAMP + 1, CAMP + 2]))
    assert scores.shape == (2, SIZE)
    first, second = np.arange(4, CAMP + 1), np.arange(CAMP + 3, 2 * CAMP + 1)
    assert np.median(scores[0, first]) > np.median(scores[0, second])
    assert np.median(scores[1, second]) > np.median(scores[1, first])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("news", [titles, ids])
def test_lists_are_put_in_the_order_of_their_readers_camp(kind, news) -> None:
    lists = camp_lists()
    train, test = lists.stretch(0, 150), lists.stretch(150, 200)
    scores = fit_lists(kind, news(), train, QUICK, 0)(test)
    assert scores.shape == test.keys.shape
    assert own_camp_first(scores, test) > 0.75


def test_the_same_seed_gives_the_same_scores() -> None:
    lists = camp_lists(60)
    first, again, other = (fit_lists("NRMS", titles(), lists, Plan(1), seed)(lists) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_negatives_of_clicks_are_clicked_articles_that_the_reader_never_clicks() -> None:
    train = two_camps()
    data = clicks_of(train, SIZE)
    drawn = data.candidates(np.random.default_rng(0))
    assert drawn.shape == (len(data), 1 + NEGATIVES)
    clicked = {user: set(train.article[train.user == user].tolist()) for user in np.unique(train.user)}
    users = np.repeat(np.unique(train.user), 7)  # of the eight clicks each, the first comes out of nothing
    for user, row, history in zip(users, drawn, data.history, strict=True):
        assert row[0] in clicked[user]
        assert set(history[history != NONE].tolist()) <= clicked[user] - {row[0]}
        assert not clicked[user] & set(row[1:].tolist())
    others = drawn[:, 1:]
    assert set(np.unique(others)) - {NONE} <= set(train.article.tolist())
    assert (others != NONE).mean() > 0.6


def test_negatives_in_lists_are_what_was_shown_beside_the_click_and_not_clicked() -> None:
    lists = camp_lists(40)
    data = clicks_in(lists)
    drawn = data.candidates(np.random.default_rng(0))
    assert len(data) == 40
    for i in range(40):
        keys, labels = lists.keys[6 * i : 6 * i + 6], lists.labels[6 * i : 6 * i + 6]
        assert drawn[i, 0] == keys[labels > 0][0]
        assert set(drawn[i, 1:].tolist()) <= set(keys[labels == 0].tolist())
    np.testing.assert_array_equal(data.history, lists.history)


def test_a_list_in_which_all_was_clicked_has_no_negatives() -> None:
    lists = camp_lists(2)
    lists.labels[:6] = 1
    drawn = clicks_in(lists).candidates(np.random.default_rng(0))
    assert (drawn[:6, 1:] == NONE).all()
    assert (drawn[6, 1:] != NONE).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("news", [titles, ids])
def test_an_article_that_is_nowhere_and_a_reader_without_history_score_alike(kind, news) -> None:
    known = np.ones(SIZE, np.bool_)
    known[NOBODYS] = False
    torch.manual_seed(0)
    model = recommender(kind, news(), known).eval()
    history = torch.tensor([[-1, -1, 0], [-1, -1, -1]])
    scores = model(torch.tensor([1, 2, NOBODYS]), history, torch.tensor([[0, 1, 2, -1]] * 2))
    assert torch.isfinite(scores[:, :3]).all()
    assert (scores[:, 3] == -torch.inf).all()
    assert (scores[1, :3] == 0).all()
    assert scores[0, 0] != scores[0, 1]


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(1, 3, 256)
    longer = torch.cat([torch.randn(1, 5, 256), vectors], dim=1)
    mask = torch.arange(8)[None] >= 5
    for encoder in (SelfAttentionUser(256).eval(), AdditiveAttention(256)):
        alone = encoder(vectors, torch.ones(1, 3, dtype=torch.bool))
        torch.testing.assert_close(encoder(longer, mask), alone)


def test_a_code_that_is_missing_is_zero_and_stays_so() -> None:
    coded = Coded(torch.tensor([1, -1, 0]), 4)
    vectors = coded(torch.tensor([0, 1, 2]))
    assert (vectors[1] == 0).all()
    vectors.sum().backward()
    assert (coded.table.weight.grad[0] == 0).all()
    assert not torch.equal(vectors[0], vectors[2])


def test_names_say_what_is_read() -> None:
    assert row_name("NRMS", titles(), Plan(4)) == "NRMS on frozen title vectors, 4 epochs at 0.001"
    assert row_name("NAML", titles(), Plan(2, 3e-4)) == "NAML on frozen title vectors + section, 2 epochs at 0.0003"
    assert row_name("NAML", ids(), Plan(4)) == "NAML on an id embedding, there being no text, 4 epochs at 0.001"


def test_the_plan_with_the_best_development_figure_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([0.1, 0.5, 0.2, 0.4, 0.3, 0.5])
    assert tuned_clicks("NRMS", titles(), lambda _make: next(figures)) == PLANS[1]
    monkeypatch.setattr("news_models.PLANS", (Plan(0), QUICK))
    assert tuned_lists("NRMS", titles(), camp_lists(150)) == QUICK
