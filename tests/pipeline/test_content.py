import numpy as np
import pytest

from recsys.domain import RecsysError
from recsys.pipeline.content import Content, ContentSpace

KEYS = np.arange(1, 60)


def content(rank: int = 8, seed: int = 0) -> Content:
    """Titles that lie in few dimensions far from the origin; some articles lack one or both."""
    generator = np.random.default_rng(seed)
    titles = generator.standard_normal((60, rank)) @ generator.standard_normal((rank, 300)) + 5
    images = generator.standard_normal((60, 40))
    mask = {"title": np.ones(60, bool), "image": np.ones(60, bool)}
    mask["title"][[0, 10]] = False
    mask["image"][[0, 10, 11]] = False
    return Content({"title": titles.astype(np.float32), "image": images.astype(np.float32)}, mask)


def test_cosines_are_kept() -> None:
    made = content()
    space = ContentSpace.fit(made)
    reduced = space.project(made, KEYS)["title"]
    there = made.mask["title"][KEYS]
    centred = made.vectors["title"][KEYS] - made.vectors["title"][made.mask["title"]].mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(
        (reduced @ reduced.T)[there][:, there], (centred @ centred.T)[there][:, there], atol=1e-3
    )


def test_dimensions_are_bounded_by_the_limits_and_by_the_catalogue() -> None:
    generator = np.random.default_rng(0)
    for rows, dims in (
        (500, {"image": 32, "title": 96}),
        (20, {"image": 19, "title": 19}),
        (1, {"image": 1, "title": 1}),
    ):
        vectors = {"title": generator.standard_normal((rows, 384)), "image": generator.standard_normal((rows, 1280))}
        made = Content(
            {name: v.astype(np.float32) for name, v in vectors.items()}, {name: np.ones(rows, bool) for name in vectors}
        )
        space = ContentSpace.fit(made)
        assert space.dims == dims
        assert np.isfinite(space.vectors(made, np.arange(rows))).all()


def test_the_inner_product_is_the_weighted_sum_of_cosines() -> None:
    made = content()
    space = ContentSpace.fit(made)
    whole, parts = space.vectors(made, KEYS), space.project(made, KEYS)
    assert whole.shape == (59, space.dim)
    expected = sum(space.weight[name] * parts[name] @ parts[name].T for name in space.modalities)
    np.testing.assert_allclose(whole @ whole.T, expected, atol=1e-5)


def test_what_is_missing_is_zeros() -> None:
    made = content()
    made.vectors["title"][10] = np.nan  # whatever stands there
    space = ContentSpace.fit(made)
    assert (space.vectors(made, np.array([10, 10_000, -1])) == 0).all()
    only_title = space.project(made, np.array([11]))
    assert (only_title["image"] == 0).all()
    assert np.linalg.norm(only_title["title"]) == pytest.approx(1)


def test_a_modality_that_nothing_has() -> None:
    made = content()
    made.mask["image"][:] = False
    space = ContentSpace.fit(made)
    assert space.dims["image"] == 1
    assert (space.project(made, KEYS)["image"] == 0).all()


def test_a_louder_modality_changes_nothing() -> None:
    made = content()
    louder = Content({**made.vectors, "image": made.vectors["image"] * 100}, made.mask)
    quiet, loud = (ContentSpace.fit(c).vectors(c, KEYS) for c in (made, louder))
    np.testing.assert_allclose(quiet @ quiet.T, loud @ loud.T, atol=1e-3)


def test_another_encoder_is_explained() -> None:
    space = ContentSpace.fit(content())
    other = Content({"title": np.zeros((60, 77), np.float32)}, {"title": np.ones(60, bool)})
    with pytest.raises(RecsysError, match="use the encoder it was trained with"):
        space.vectors(other, KEYS)
