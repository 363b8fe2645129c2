"""What all encoders promise alike, and their augmented views, checked on the real packaged models."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recsys.domain import Article
from recsys.encoders import Encoder, Viewed, ViewEncoder, with_views
from recsys.encoders.image import ImageEncoder
from recsys.encoders.text import BodyEncoder, TitleEncoder
from recsys.encoders.text_model import TextModel

HEADLINES = [
    "Storm closes the mountain passes for a second night",
    "Rates",
    "City council votes to turn the old harbour warehouses into flats, a third of them for families on low incomes",
    "Why your tomatoes split, and what to do about it",
    "Late goal sends the visitors through",
    "A new telescope finds water on a planet that should have lost it long ago",
    "Ministers meet",
]


KINDS = ("title", "summary", "body", "image", "title#view1", "body#view2", "image#view1")


@pytest.fixture(params=KINDS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    modality, _, view = request.param.partition("#view")
    plain: Viewed = request.getfixturevalue(f"{modality}_encoder")
    return ViewEncoder(plain, int(view)) if view else plain


@pytest.fixture
def articles(draw: Callable[[int], Path]) -> list[Article]:
    """Seven articles that have every modality; some bodies are longer than a window."""
    bodies = [" ".join([text] * (1 + 40 * (i % 3))) for i, text in enumerate(HEADLINES)]
    return [
        Article(f"a{i}", title=text, summary=text.upper(), body=bodies[i], image=str(draw(i)))
        for i, text in enumerate(HEADLINES)
    ]


NEITHER = Article("nothing")


class TestEncoderContract:
    def test_an_empty_list_gives_no_rows_of_the_right_width(self, encoder: Encoder) -> None:
        vectors, mask = encoder.encode([])
        assert vectors.shape == (0, encoder.dim)
        assert mask.shape == (0,)

    def test_types_and_shapes(self, encoder: Encoder, articles: list[Article]) -> None:
        vectors, mask = encoder.encode(articles)
        assert vectors.shape == (len(articles), encoder.dim)
        assert vectors.dtype == np.float32
        assert mask.dtype == np.bool_
        assert mask.all()
        assert np.isfinite(vectors).all()
        assert (np.linalg.norm(vectors, axis=1) > 0).all()

    def test_a_missing_modality_is_a_row_of_zeros(self, encoder: Encoder, articles: list[Article]) -> None:
        mixed = [NEITHER, articles[0], NEITHER, articles[1]]
        vectors, mask = encoder.encode(mixed)
        assert mask.tolist() == [False, True, False, True]
        assert not vectors[~mask].any()
        assert vectors[mask].any(axis=1).all()
        assert encoder.status(NEITHER) == "missing"
        assert encoder.content_hash(NEITHER) is None

    def test_nothing_but_missing(self, encoder: Encoder) -> None:
        vectors, mask = encoder.encode([NEITHER] * 3)
        assert vectors.shape == (3, encoder.dim)
        assert not vectors.any()
        assert not mask.any()

    def test_rows_come_in_the_order_of_the_articles(self, encoder: Encoder, articles: list[Article]) -> None:
        together, _ = encoder.encode(articles)
        backwards, _ = encoder.encode(articles[::-1])
        assert cosines(together, backwards[::-1]).min() > 0.999
        for i, article in enumerate(articles):
            alone, _ = encoder.encode([article])
            assert np.argmax(cosines(together, alone)) == i

    def test_the_same_article_twice_gives_the_same_vector(self, encoder: Encoder, articles: list[Article]) -> None:
        vectors, _ = encoder.encode([articles[3], articles[3]])
        np.testing.assert_array_equal(vectors[0], vectors[1])

    def test_hashes_follow_the_content_alone(self, encoder: Encoder, articles: list[Article]) -> None:
        hashes = [encoder.content_hash(article) for article in articles]
        assert len(set(hashes)) == len(articles)
        assert all(value is not None and len(value) == 64 for value in hashes)
        renamed = replace(articles[0], article_id="other id", section="sport")
        assert encoder.content_hash(renamed) == hashes[0]

    def test_status_agrees_with_the_mask(self, encoder: Encoder, articles: list[Article]) -> None:
        some = [*articles, NEITHER]
        _, mask = encoder.encode(some)
        assert [encoder.status(article) == "ok" for article in some] == mask.tolist()


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("modality", ["title", "body", "image"])
def test_the_batch_size_changes_nothing(
    modality: str, batch_size: int, articles: list[Article], request: pytest.FixtureRequest
) -> None:
    exact: Encoder = request.getfixturevalue(f"exact_{modality}_encoder")
    model = TextModel(device="cpu", dtype=torch.float32, batch_size=batch_size)
    made: dict[str, Callable[[], Encoder]] = {
        "title": lambda: TitleEncoder(model),
        "body": lambda: BodyEncoder(model),
        "image": lambda: ImageEncoder(device="cpu", dtype=torch.float32, batch_size=batch_size),
    }
    some = [articles[0], NEITHER, *articles[1:4]]
    vectors, mask = exact.encode(some)
    batched, batched_mask = made[modality]().encode(some)
    np.testing.assert_allclose(batched, vectors, atol=1e-4)
    np.testing.assert_array_equal(batched_mask, mask)


def test_ids_differ_where_vectors_mean_something_else(request: pytest.FixtureRequest) -> None:
    """Title and summary are read alike and may share the vectors of equal texts; everything else is kept apart."""
    encoders: list[Viewed] = [request.getfixturevalue(f"{name}_encoder") for name in ("title", "body", "image")]
    ids = [encoder.encoder_id for encoder in with_views(encoders, 2)]
    assert len(set(ids)) == len(ids) == 9
    assert request.getfixturevalue("summary_encoder").encoder_id == encoders[0].encoder_id


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Row by row."""
    return (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)
