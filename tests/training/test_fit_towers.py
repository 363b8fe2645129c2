import dataclasses
import time

import numpy as np
import pytest

from recsys.columns import NONE, ClickColumns, EventLog, Ints
from recsys.domain import RecsysError
from recsys.model.fusion import FUSIONS
from recsys.pipeline.content import Content
from recsys.pipeline.histories import Histories
from recsys.pipeline.towers import Towers, blended_scores
from recsys.training.towers import FitConfig, TowerConfig, fit_towers, shown_not_clicked

ARTICLES, GROUPS, USERS, LENGTH = 120, 6, 150, 14
SPLIT = 11.0  # clicks from then on are kept for the test
FAST = FitConfig(epochs=10, batch=256, uniform=32)


def group(keys: Ints) -> Ints:
    return keys % GROUPS


def make_content(seed: int = 0) -> Content:
    """Titles tell the group of an article; row 0 is no article."""
    generator = np.random.default_rng(seed)
    titles = np.eye(GROUPS)[group(np.arange(ARTICLES))] * 2 + generator.standard_normal((ARTICLES, GROUPS)) * 0.3
    mask = np.arange(ARTICLES) > 0
    return Content({"title": titles.astype(np.float32)}, {"title": mask})


def make_clicks(seed: int = 0, articles: int = ARTICLES) -> ClickColumns:
    """Every user reads one group, one click each second."""
    generator = np.random.default_rng(seed)
    user = np.repeat(np.arange(1, USERS + 1), LENGTH)
    pools = [np.flatnonzero(group(np.arange(articles)) == number)[1:] for number in range(GROUPS)]
    article = np.concatenate([generator.permutation(pools[u % GROUPS])[:LENGTH] for u in range(1, USERS + 1)])
    at = np.tile(np.arange(LENGTH, dtype=np.float64), USERS)
    n, nothing = len(user), np.zeros(len(user), np.int8)
    return ClickColumns(
        position=np.arange(1, n + 1), user=user, article=article, at=at, known_at=at, weight=np.ones(n), device=nothing,
        dwell=np.full(n, np.nan), backfilled=nothing, impression=np.full(n, NONE), page=nothing,
    )  # fmt: skip


def recall(towers: Towers, content: Content, clicks: ClickColumns) -> float:
    """Share of the later clicks among the first 20 of the 120 articles, a sixth of them by chance."""
    keys = np.arange(1, ARTICLES)
    histories = Histories.of(clicks)
    later = np.flatnonzero(clicks.at >= SPLIT)
    start, end = histories.before(clicks.user[later], np.full(len(later), SPLIT))
    window = histories.windows(start, end, np.full(len(later), SPLIT), 50)
    read = np.where(window.mask, window.article, 0)
    learned, _ = towers.item_vectors(content, np.arange(ARTICLES))
    frozen = towers.content_vectors(content, np.arange(ARTICLES))
    scores = blended_scores(
        towers.user_vectors(learned[read], window.age, window.mask) @ learned[keys].T,
        towers.content_profiles(frozen[read], window.age, window.mask) @ frozen[keys].T,
        towers.blend(keys),
    )
    first = keys[np.argsort(-scores, axis=1)[:, :20]]
    return float((first == clicks.article[later, None]).any(axis=1).mean())


@pytest.fixture(scope="module")
def fitted() -> Towers:
    return fit_towers(make_content(), make_clicks(), until=SPLIT, config=FAST)


def test_towers_find_what_a_user_reads_next(fitted: Towers) -> None:
    assert recall(fitted, make_content(), make_clicks()) > 0.8


@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name != "gated"])
def test_every_fusion_finds_what_a_user_reads_next(fusion: str) -> None:
    """Titles tell two thirds of a group, pictures the rest, some of which are missing; new articles have no id."""
    towers = fit_towers(in_two(make_content()), make_clicks(), until=SPLIT, config=with_fusion(fusion))
    assert towers.config.fusion == fusion
    assert recall(towers, in_two(make_content()), make_clicks()) > 0.8
    new = towers.rekeyed(np.full(len(towers.id_keys), NONE))
    assert recall(new, in_two(make_content()), make_clicks()) > 0.5


@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name != "gated"])
def test_every_fusion_learns_from_ids_alone(fusion: str) -> None:
    content = make_content()
    content.mask["title"][:] = False
    towers = fit_towers(content, make_clicks(), until=SPLIT, config=with_fusion(fusion))
    assert recall(towers, content, make_clicks()) > 0.7


def in_two(content: Content) -> Content:
    """The same, the last third of each vector in pictures that every eighth article lacks."""
    titles, mask = content.vectors["title"], content.mask["title"]
    pictured = mask & (np.arange(ARTICLES) % 8 != 0)
    vectors = {"title": titles[:, : GROUPS - 2].copy(), "image": titles[:, GROUPS - 2 :] * 100}
    return Content(vectors, {"title": mask, "image": pictured})


def with_fusion(fusion: str) -> FitConfig:
    return dataclasses.replace(FAST, towers=TowerConfig(fusion=fusion))


def test_ids_alone_are_enough() -> None:
    content = make_content()
    content.mask["title"][:] = False
    towers = fit_towers(content, make_clicks(), until=SPLIT, config=FAST)
    assert recall(towers, content, make_clicks()) > 0.7


def test_labels_shuffled_among_users_teach_nothing() -> None:
    content, clicks = make_content(), make_clicks()
    content.mask["title"][:] = False
    shuffled = np.random.default_rng(1).permutation(clicks.article)
    towers = fit_towers(content, dataclasses.replace(clicks, article=shuffled), until=SPLIT, config=FAST)
    assert recall(towers, content, clicks) < 0.3


def test_what_chance_taught_the_ids_decays() -> None:
    clicks = make_clicks()
    shuffled = dataclasses.replace(clicks, article=np.random.default_rng(1).permutation(clicks.article))
    by_heart, decayed = (
        fit_towers(make_content(), shuffled, until=SPLIT, config=dataclasses.replace(FAST, id_decay=decay))
        for decay in (0.0, FAST.id_decay)
    )
    lengths = [float(towers.model.fusion.ids.weight.detach().norm()) for towers in (by_heart, decayed)]
    assert lengths[1] < 0.6 * lengths[0]


def test_the_same_seed_gives_the_same_towers_and_another_does_not(fitted: Towers) -> None:
    keys = np.arange(ARTICLES)
    again = fit_towers(make_content(), make_clicks(), until=SPLIT, config=FAST).item_vectors(make_content(), keys)[0]
    other = fit_towers(make_content(), make_clicks(), until=SPLIT, config=FAST, seed=1).item_vectors(
        make_content(), keys
    )
    np.testing.assert_array_equal(fitted.item_vectors(make_content(), keys)[0], again)
    assert np.abs(again - other[0]).max() > 0.01


def test_nothing_that_becomes_known_later_is_trained_on(fitted: Towers) -> None:
    clicks = make_clicks()
    late = clicks.known_at >= SPLIT
    corrupted = dataclasses.replace(clicks, article=np.where(late, 1 + clicks.article % 7, clicks.article))
    corrupted.weight[late & (clicks.user % 2 == 0)] = 0.0
    towers = fit_towers(make_content(), corrupted, until=SPLIT, config=FAST)
    keys = np.arange(ARTICLES)
    np.testing.assert_array_equal(
        towers.item_vectors(make_content(), keys)[0], fitted.item_vectors(make_content(), keys)[0]
    )


def test_what_was_only_seen_is_no_example() -> None:
    clicks = make_clicks()
    disliked = clicks.article == clicks.article[0]
    towers = fit_towers(
        make_content(), dataclasses.replace(clicks, weight=np.where(disliked, 0.0, 1.0)), until=SPLIT, config=FAST
    )
    assert clicks.article[0] not in towers.id_keys
    assert towers.clicks(clicks.article[:1]).tolist() == [0]


def test_clicks_are_counted_by_article(fitted: Towers) -> None:
    clicks = make_clicks()
    expected = np.bincount(clicks.article[clicks.at < SPLIT], minlength=ARTICLES + 5)
    np.testing.assert_array_equal(fitted.clicks(np.arange(ARTICLES + 5)), expected)


def test_a_log_of_backfilled_clicks_trains() -> None:
    clicks = make_clicks()
    history = dataclasses.replace(
        clicks, known_at=np.full(len(clicks), 500.0), backfilled=np.ones(len(clicks), np.int8)
    )
    towers = fit_towers(make_content(), history, until=501.0, config=FAST)
    assert recall(towers, make_content(), clicks) > 0.8


def test_an_article_that_was_shown_and_never_clicked_sinks() -> None:
    clicks = make_clicks()
    ignored = np.full((len(clicks), 1), ARTICLES - 1)
    kept = clicks.article != ARTICLES - 1
    rest = ClickColumns(**{name: column[kept] for name, column in vars(clicks).items()})
    content = make_content()
    content.mask["title"][:] = False
    towers = fit_towers(content, rest, until=SPLIT, negatives=ignored[kept], config=FAST)
    assert ARTICLES - 1 in towers.id_keys
    vectors, _ = towers.item_vectors(content, np.arange(ARTICLES))
    users = towers.user_vectors(vectors[None, 1:30], np.ones((1, 29)), np.ones((1, 29), bool))
    scores = users @ vectors[1:].T
    assert scores[0, -1] < np.quantile(scores, 0.2)


def test_no_click_to_train_on_is_explained() -> None:
    with pytest.raises(RecsysError, match="no click is known before"):
        fit_towers(make_content(), make_clicks(), until=0.0)


def test_one_click_per_user_is_too_little_to_learn_from_but_no_failure() -> None:
    clicks = make_clicks()
    first = clicks.at == 0
    few = ClickColumns(**{name: column[first] for name, column in vars(clicks).items()})
    towers = fit_towers(make_content(), few, config=FAST)
    assert np.isfinite(towers.item_vectors(make_content(), np.arange(ARTICLES))[0]).all()


def test_a_large_log_is_bounded_by_steps() -> None:
    started = time.process_time()
    fit_towers(make_content(), make_clicks(), config=dataclasses.replace(FAST, epochs=10**6, max_steps=5))
    assert time.process_time() - started < 5


def test_shown_not_clicked_takes_the_rest_of_the_list(log: EventLog) -> None:
    drawn = shown_not_clicked(log, 3)
    assert sorted(drawn[0].tolist()) == [NONE, 4, 6]
    assert sorted(drawn[1].tolist()) == [NONE, 4, 6]
    assert drawn[2].tolist() == [NONE, NONE, NONE]
    assert len(set(drawn[3].tolist())) == 3
    assert set(drawn[3].tolist()) < {11, 12, 13, 14}


def test_what_was_dismissed_was_shown_and_not_clicked(log: EventLog) -> None:
    weight = np.array([1.0, 0.0, 1.0, 1.0])  # 9 was waved away
    drawn = shown_not_clicked(dataclasses.replace(log, clicks=dataclasses.replace(log.clicks, weight=weight)), 3)
    assert sorted(drawn[0].tolist()) == [4, 6, 9]
    assert drawn[1].tolist() == [NONE, NONE, NONE]


@pytest.fixture
def log() -> EventLog:
    """List 7 shows 4, 5, 6, 9, of which 5 and 9 are clicked; list 8 shows 10 to 14, of which 10 is."""
    from recsys.columns import ImpressionColumns

    nothing = np.zeros(2, np.int8)
    impressions = ImpressionColumns(
        position=np.array([8, 7]), user=np.array([1, 1]), known_at=np.zeros(2), offsets=np.array([0, 5, 9]),
        items=np.array([10, 11, 12, 13, 14, 4, 5, 6, 9]), page=nothing, device=nothing, subscriber=nothing,
        context_article=np.full(2, NONE),
    )  # fmt: skip
    clicks = make_clicks()
    four = ClickColumns(**{name: column[:4].copy() for name, column in vars(clicks).items()})
    four.article[:] = [5, 9, 5, 10]
    four.impression[:] = [7, 7, NONE, 8]
    return EventLog(impressions, four)
