import numpy as np
import pytest
import torch

from recsys.columns import NONE
from recsys.model.fusion import BEHAVIOUR, FUSIONS
from recsys.model.two_towers import NARROWER, TowerConfig, TwoTowers
from recsys.pipeline.content import Content, ContentSpace
from recsys.pipeline.towers import Blend, Towers, blended_scores

N = 30
ID_KEYS = np.array([3, 4, 9, 20])


def make_content() -> Content:
    generator = np.random.default_rng(0)
    vectors = {"title": generator.standard_normal((N, 12)), "image": generator.standard_normal((N, 9))}
    mask = {"title": np.arange(N) % 5 != 0, "image": np.arange(N) % 3 != 0}
    return Content({name: v.astype(np.float32) for name, v in vectors.items()}, mask)


@pytest.fixture(params=FUSIONS)
def towers(request: pytest.FixtureRequest) -> Towers:
    """One for each fusion: nothing here may depend on which it is."""
    torch.manual_seed(0)
    space = ContentSpace.fit(make_content())
    model = TwoTowers(space.dims, len(ID_KEYS), TowerConfig(fusion=request.param, dim=8))
    torch.nn.init.normal_(model.fusion.ids.weight[: len(ID_KEYS)].data)
    return Towers(model.eval(), space, ID_KEYS, np.array([1, 0, 7, 300]))


def test_items_have_unit_vectors_and_weights(towers: Towers) -> None:
    keys = np.arange(1, N)
    vectors, weights = towers.item_vectors(make_content(), keys)
    nothing = keys == 15  # neither title nor image nor id
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.where(nothing, 0, 1), atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), np.where(nothing, 0, 1), atol=1e-5)
    behaviour = weights[:, towers.modalities.index(BEHAVIOUR)] > 0
    np.testing.assert_array_equal(behaviour, np.isin(keys, ID_KEYS))


def test_an_article_that_came_after_training_has_its_content(towers: Towers) -> None:
    content = make_content()
    vectors, weights = towers.item_vectors(content, np.array([28, 5000, NONE]))
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-5)
    assert weights[0, towers.modalities.index(BEHAVIOUR)] == 0
    assert (vectors[1:] == 0).all()
    assert towers.clicks(np.array([28, 5000, NONE])).tolist() == [0, 0, 0]


def test_another_database_has_other_keys(towers: Towers) -> None:
    content = make_content()
    moved = towers.rekeyed(np.array([8, NONE, 14, 0]))
    assert moved.clicks(np.array([8, 4, 14, 0, 3])).tolist() == [1, 0, 7, 300, 0]
    swapped = Content(
        {name: np.roll(v, 5, axis=0) for name, v in content.vectors.items()},
        {name: np.roll(m, 5) for name, m in content.mask.items()},
    )
    before, _ = towers.item_vectors(content, np.array([3, 9]))
    after, _ = moved.item_vectors(swapped, np.array([8, 14]))
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_towers_without_any_id(towers: Towers) -> None:
    model = TwoTowers(towers.content_space.dims, 0, towers.config)
    bare = Towers(model.eval(), towers.content_space, np.zeros(0, np.int64), np.zeros(0, np.int64))
    vectors, _ = bare.item_vectors(make_content(), np.arange(N))
    assert np.isfinite(vectors).all()
    assert bare.clicks(np.arange(N)).sum() == 0


def test_no_articles_and_no_users(towers: Towers) -> None:
    assert towers.item_vectors(make_content(), np.zeros(0, np.int64))[0].shape == (0, 8)
    empty = np.zeros((0, 4), bool)
    assert towers.user_vectors(np.zeros((0, 4, 8), np.float32), np.zeros((0, 4)), empty).shape == (0, 8)


def test_a_user_without_history_has_finite_vectors(towers: Towers) -> None:
    mask = np.zeros((2, 3), bool)
    users = towers.user_vectors(np.zeros((2, 3, 8), np.float32), np.zeros((2, 3)), mask)
    assert np.isfinite(users).all()
    frozen = np.zeros((2, 3, towers.content_space.dim), np.float32)
    assert (towers.content_profiles(frozen, np.zeros((2, 3)), mask) == 0).all()


def test_a_profile_is_a_mean_of_what_was_read(towers: Towers) -> None:
    frozen = towers.content_vectors(make_content(), np.array([[1, 2, 4], [1, 1, 1]]).ravel()).reshape(2, 3, -1)
    mask = np.array([[False, False, True], [True, True, True]])
    profiles = towers.content_profiles(frozen, np.zeros((2, 3)), mask)
    np.testing.assert_allclose(profiles, [frozen[0, 2], frozen[1, 0]], atol=1e-5)


def test_the_blend_is_what_one_index_of_both_views_would_give(towers: Towers) -> None:
    keys, content = np.arange(1, N), make_content()
    vectors, frozen = towers.item_vectors(content, keys)[0], towers.content_vectors(content, keys)
    user, profile = np.ones((1, 8), np.float32), np.ones((1, frozen.shape[1]), np.float32)
    blend = towers.blend(keys)
    both = blended_scores(user @ vectors.T, profile @ frozen.T, blend)
    items = np.concatenate([vectors * blend.scale[:, None], frozen * blend.content[:, None], blend.offset[:, None]], 1)
    one = np.concatenate([user, profile, np.ones((1, 1), np.float32)], axis=1) @ items.T
    np.testing.assert_allclose(both, one, rtol=1e-4, atol=1e-5)


def test_content_counts_more_for_an_article_without_clicks(towers: Towers) -> None:
    towers.model.blend.newcomers.fill_(0.7)
    blend = towers.blend(np.array([4, 3, 20]))  # 0, 1 and 300 clicks
    faith = np.array([NARROWER * towers.config.faith, 1, 1])
    np.testing.assert_allclose(blend.scale, [NARROWER, 1, 1], rtol=1e-5)
    np.testing.assert_allclose(blend.content, towers.config.content * faith, rtol=1e-5)
    np.testing.assert_allclose(blend.offset, [0.7, 0, 0], atol=1e-6)


def test_blending_adds_up() -> None:
    blend = Blend(np.array([2.0, 1.0], np.float32), np.array([0.5, 3.0], np.float32), np.array([0.0, -1.0], np.float32))
    scores = blended_scores(np.array([[1.0, 2.0]], np.float32), np.array([[4.0, 5.0]], np.float32), blend)
    assert scores.tolist() == [[4.0, 16.0]]
