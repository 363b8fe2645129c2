"""The fine-tuning benchmark tunes on what a test may be trained on, and tries settings on training clicks alone."""

import finetuning
import movielens
import numpy as np
import pytest
from made_clicks import CAMP, SIZE, two_camps

from recsys.domain import Article
from recsys.encoders.finetune import TuneConfig
from recsys.pipeline.content import Content


@pytest.fixture
def films() -> movielens.Films:
    clicks, keys = two_camps(), np.arange(1, SIZE)
    content = Content({"title": np.zeros((SIZE, 384), np.float32)}, {"title": np.arange(SIZE) > 0})
    return movielens.Films(clicks, content, keys, (np.arange(1, 2 * CAMP, 4),))


def test_development_sees_no_click_of_the_test_period(films: movielens.Films) -> None:
    inner = finetuning.development(films)
    assert inner.clicks.at.max() <= films.split
    assert inner.split < films.split
    assert all(set(held) != set(films.cold[0]) for held in inner.cold)


def test_the_films_of_a_hold_out_are_tuned_on_by_nobody(
    films: movielens.Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned_on: list[list[str]] = []
    plainly = finetuning.fine_tune

    def seen(source, texts, pairs, **options):
        tuned_on.append(list(texts))
        return plainly(source, texts, pairs, **options)

    monkeypatch.setattr(finetuning, "fine_tune", seen)
    found = [Article(str(key), title=f"Film {key}") for key in films.keys]
    tuned = finetuning.TunedFilms(films, found, TuneConfig(steps=1, batch=8, layers=1))
    test = movielens.cold(films, 0)
    content = tuned.content(test, 0)
    assert tuned.content(test, 0) is content
    held = {f"Film {key}" for key in films.cold[0]}
    assert len(tuned_on) == 1
    assert tuned_on[0]
    assert not held & set(tuned_on[0])
    assert np.allclose(np.linalg.norm(content.vectors["title"][films.keys], axis=1), 1, atol=1e-3)
