"""Augmented views: near to the plain vector and not it, always the same, and never of what cannot be read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recsys.domain import Article
from recsys.encoders import Viewed, ViewEncoder, view_id, with_views
from recsys.encoders.image import ImageEncoder
from recsys.encoders.pictures import LEAST_AREA, varied
from recsys.encoders.text import BodyEncoder, TitleEncoder
from recsys.encoders.text_model import DROPPED, TextModel, without_some
from recsys.encoders.views import chance_of

LONG = "City council votes to turn the old harbour warehouses into flats, a third of them for families on low incomes"


@pytest.fixture
def articles(photos: dict[str, Path]) -> list[Article]:
    return [Article(name, title=f"{LONG} in {name}", image=str(path)) for name, path in photos.items()]


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


@pytest.mark.parametrize("modality", ["title", "image"])
def test_a_view_is_near_to_the_plain_vector_and_unlike_the_next_view(
    modality: str, articles: list[Article], request: pytest.FixtureRequest
) -> None:
    plain: Viewed = request.getfixturevalue(f"{modality}_encoder")
    own, first, second = (
        encoder.encode(articles)[0] for encoder in (plain, ViewEncoder(plain, 1), ViewEncoder(plain, 2))
    )
    for one, other in ((own, first), (own, second), (first, second)):
        assert cosines(one, other).min() > 0.5
        assert cosines(one, other).mean() < 0.995


@pytest.mark.parametrize("modality", ["title", "image"])
def test_a_view_is_the_same_whenever_it_is_made(
    modality: str, articles: list[Article], request: pytest.FixtureRequest
) -> None:
    """In another order, among other articles, by another encoder object."""
    plain: Viewed = request.getfixturevalue(f"{modality}_encoder")
    fresh = TitleEncoder(TextModel(device="cpu")) if modality == "title" else ImageEncoder(device="cpu")
    made = ViewEncoder(plain, 2).encode(articles)[0]
    again = ViewEncoder(fresh, 2).encode([Article("none"), *articles[::-1]])[0]
    assert cosines(made, again[:0:-1]).min() > 0.999


def test_views_come_behind_the_plain_encoders(title_encoder: TitleEncoder, image_encoder: ImageEncoder) -> None:
    encoders = with_views([title_encoder, image_encoder], 2)
    assert [encoder.modality for encoder in encoders] == ["title", "image"] * 3
    assert encoders[:2] == [title_encoder, image_encoder]
    assert encoders[5].encoder_id == view_id(image_encoder.encoder_id, 2) == f"{image_encoder.encoder_id}#view2"
    assert with_views([title_encoder], 0) == [title_encoder]


def test_a_view_of_a_broken_picture_is_broken(tmp_path: Path, image_encoder: ImageEncoder) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    view, article = ViewEncoder(image_encoder, 1), Article("a", image=str(path))
    assert view.status(article) == "broken"
    assert view.content_hash(article) == image_encoder.content_hash(article)
    assert not view.encode([article])[1].any()


@pytest.mark.parametrize("title", ["Rates", "🎉", "!?", "كتاب", "x" * 10_000])
def test_a_view_of_a_strange_title_is_a_vector(title: str, title_encoder: TitleEncoder) -> None:
    for number in range(1, 6):
        vectors, mask = ViewEncoder(title_encoder, number).encode([Article("a", title=title)])
        assert mask.all()
        assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-4)


def test_a_view_of_a_body_is_of_all_its_windows(body_encoder: BodyEncoder) -> None:
    body = " ".join(f"{LONG} {number}." for number in range(40))
    own, _ = body_encoder.encode([Article("a", body=body)])
    view, _ = ViewEncoder(body_encoder, 1).encode([Article("a", body=body)])
    assert 0.9 < cosines(own, view)[0] < 0.9999


def test_an_eighth_of_the_tokens_is_left_out_and_never_all() -> None:
    marks, words = {101, 102}, list(range(1000, 1400))
    kept = without_some([101, *words, 102], marks, np.random.default_rng(0))
    assert kept[0] == 101
    assert kept[-1] == 102
    assert sorted(kept[1:-1]) == kept[1:-1]  # in their order
    assert len(kept) - 2 == pytest.approx(400 * (1 - DROPPED), abs=25)
    for seed in range(200):
        assert without_some([101, 7, 102], marks, np.random.default_rng(seed)) == [101, 7, 102]
        assert len(without_some([101, 7, 8, 102], marks, np.random.default_rng(seed))) >= 3


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (400, 100), (333, 777)])
def test_a_part_of_a_picture_keeps_its_proportions_and_half_its_area(size: tuple[int, int]) -> None:
    chances = [chance_of("ab" * 32, view) for view in range(1, 40)]
    for chance in chances:
        part = varied(Image.new("RGB", size), chance)
        assert part.width <= size[0]
        assert part.height <= size[1]
        if min(size) >= 100:
            assert part.width * part.height >= (LEAST_AREA - 0.02) * size[0] * size[1]
            assert part.width / part.height == pytest.approx(size[0] / size[1], rel=0.03)


def test_some_parts_are_mirrored_and_lie_in_different_places(draw: Callable[[int], Path]) -> None:
    ramp = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (100, 1))).convert("RGB")
    rows = [np.asarray(varied(ramp, chance_of("cd" * 32, view)))[0, :, 0].astype(int) for view in range(1, 30)]
    mirrored = [row[0] > row[-1] for row in rows]
    assert 5 < sum(mirrored) < 24
    assert len({int(row.min()) for row in rows}) > 5
