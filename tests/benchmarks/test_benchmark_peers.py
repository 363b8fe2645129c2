import numpy as np
import pytest
from made_clicks import CAMP, NOBODYS, SIZE, columns, two_camps, window
from peers.clicked import Clicked, has_clicks
from peers.factors import als, bpr
from peers.items import content_knn, ease, item_knn
from peers.popularity import most_popular, recent_popularity
from peers.tuning import COLLABORATIVE, Peer, best, grid, titled

from recsys.pipeline.content import Content

DAY = 86400.0
FITTED = {
    "item-kNN": lambda train: item_knn(train, SIZE, shrinkage=1),
    "EASE": lambda train: ease(train, SIZE, ridge=10),
    "ALS": lambda train: als(train, SIZE, factors=4, alpha=4, regularization=0.1),
    "BPR": lambda train: bpr(train, SIZE, factors=4, iterations=200, regularization=0.01),
}


@pytest.mark.parametrize("name", FITTED)
def test_a_reader_who_was_not_in_training_gets_the_articles_of_their_camp(name: str) -> None:
    scores = FITTED[name](two_camps())(window([1, 2, 3], [CAMP + 1, CAMP + 2]))
    assert scores.shape == (2, SIZE)
    first, second = np.arange(4, CAMP + 1), np.arange(CAMP + 3, 2 * CAMP + 1)
    assert np.median(scores[0, first]) > np.max(scores[0, second])
    assert np.median(scores[1, second]) > np.max(scores[1, first])


@pytest.mark.parametrize("name", FITTED)
def test_what_nobody_clicked_is_ranked_behind_the_own_camp_and_says_nothing_in_a_history(name: str) -> None:
    scores = FITTED[name](two_camps())(window([1, 2, 3], [1, 2, 3, NOBODYS]))
    assert np.isfinite(scores).all()
    assert scores[0, NOBODYS] < np.median(scores[0, 4 : CAMP + 1])
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-6)


@pytest.mark.parametrize("name", FITTED)
def test_ratings_below_a_click_teach_nothing(name: str) -> None:
    liked = two_camps()
    n = len(liked)
    both = columns(
        np.tile(liked.user, 2), np.append(liked.article, 2 * CAMP + 1 - liked.article), np.tile(liked.at, 2),
        np.repeat([1.0, 0.0], n),
    )  # fmt: skip
    history = window([1, 2, 3])
    np.testing.assert_array_equal(FITTED[name](both)(history), FITTED[name](liked)(history))


@pytest.mark.parametrize(("readers", "what"), [(60, "more readers than articles"), (20, "fewer readers than articles")])
def test_ease_has_its_closed_form_from_either_side(readers: int, what: str) -> None:
    train = two_camps(readers)
    matrix = Clicked.of(train, SIZE).matrix.toarray().astype(np.float64)
    assert (matrix.shape[0] > matrix.shape[1]) == (readers == 60), what
    inverse = np.linalg.inv(matrix.T @ matrix + 5 * np.eye(matrix.shape[1]))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    found = ease(train, SIZE, ridge=5)(window([1], [4]))
    np.testing.assert_allclose(found[:, 1 : 2 * CAMP + 1], expected[[0, 3]], atol=1e-5)


def test_item_knn_counts_common_users() -> None:
    clicks = columns([1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 3], [1, 2, 3, 4, 5, 6])
    scores = item_knn(clicks, 4, shrinkage=1.0)(window([1]))
    np.testing.assert_allclose(scores[0], [0, 0, 2 / (np.sqrt(3 * 2) + 1), 1 / (np.sqrt(3) + 1)], rtol=1e-5)


def test_a_second_click_on_an_article_counts_nothing() -> None:
    clicked = Clicked.of(columns([1, 1, 2], [3, 3, 3], [1, 2, 3]), 5)
    assert clicked.matrix.toarray().tolist() == [[1], [1]]
    assert clicked.histories(window([3, 3, 4], [])).toarray().tolist() == [[1], [0]]
    assert has_clicks(columns([1, 1], [2, 3], [1, 1], [1.0, 0.0]), 5).tolist() == [False, False, True, False, False]


def test_recent_popularity_forgets_by_its_half_life_and_most_popular_does_not() -> None:
    clicks = columns([1, 2, 3, 4], [1, 1, 1, 2], [0, 0, 0, 4 * DAY])
    assert most_popular(clicks, 3)(window([1], [2])).tolist() == [[0, 3, 1], [0, 3, 1]]
    np.testing.assert_allclose(recent_popularity(clicks, 3, days=2)(window([2])), [[0, 0.75, 1]])
    np.testing.assert_allclose(recent_popularity(clicks, 3, days=4)(window([2])), [[0, 1.5, 1]])


def test_content_knn_finds_what_looks_alike() -> None:
    vectors = np.array([[0, 0], [1, 0], [0.9, 0.1], [0, 1]], np.float32)
    content = Content(
        {"title": vectors, "image": vectors[:, ::-1].copy()}, dict.fromkeys(["title", "image"], np.arange(4) > 0)
    )
    scores = content_knn(content, image_weight=0.25)(window([1]))
    assert scores[0, 2] > scores[0, 3]


def test_the_best_setting_is_the_one_that_the_judge_prefers() -> None:
    asked = []

    def fit(_train, size, *, one, other):
        return (one, other, size)

    def judge(make):
        asked.append(make("older clicks"))
        one, other, _ = asked[-1]
        return -abs(one - 2) - abs(other - 5)

    peer = Peer("made", fit, grid(one=(1, 2, 3), other=(4, 5)))
    assert best(peer, 7, judge) == {"one": 2, "other": 5}
    assert len(asked) == 6
    assert all(size == 7 for _, _, size in asked)
    assert titled("made", {"one": 2, "other": 0.5}) == "made, one 2, other 0.5"


def test_what_is_drawn_at_random_is_the_same_for_one_seed() -> None:
    for peer in COLLABORATIVE:
        if peer.seeded:
            setting = peer.settings[0]
            first, again, other = (
                peer.fit(two_camps(), SIZE, seed=seed, **setting)(window([1, 2])) for seed in (0, 0, 1)
            )
            np.testing.assert_array_equal(first, again)
            assert not np.array_equal(first, other)
