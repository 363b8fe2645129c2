"""How near candidates are to what was read: scalars that do not depend on any basis."""

from dataclasses import dataclass

import made_world
import numpy as np
import pytest
from pipeline_world import Made

from recsys.columns import NONE, Bools, Floats, Floats32, Ints
from recsys.features.replay import Replay
from recsys.pipeline.affinity import affinities, example_affinities, names, user_vectors
from recsys.pipeline.content import ContentSpace
from recsys.pipeline.model import Views
from recsys.pipeline.towers import Towers
from recsys.retrieval.index import VectorIndex

MODALITIES = ("image", "title")
COLUMNS = names(MODALITIES)
NOTHING: Ints = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Rotated:
    """The same towers in another basis of the learned space."""

    towers: Towers
    rotation: Floats32

    @property
    def content_space(self) -> ContentSpace:
        return self.towers.content_space

    def user_vectors(self, items: Floats32, ages: Floats, mask: Bools) -> Floats32:
        return self.towers.user_vectors(items @ self.rotation.T, ages, mask) @ self.rotation


def column(scalars: Floats32, name: str) -> Floats32:
    return scalars[:, COLUMNS.index(name)]


def of(made: Made, keys: Ints, history: Ints, context: int = NONE, views: Views | None = None) -> Floats32:
    views, ages = views or made.model.views, 60.0 * np.arange(len(history), 0, -1)
    user = user_vectors(views, history[None], ages[None])[0]
    return affinities(views, MODALITIES, keys, user, history, context)


def test_columns_have_one_name_each(made: Made) -> None:
    assert len(set(COLUMNS)) == len(COLUMNS)
    for keys in (NOTHING, made.keys("a01"), made.keys("a01", "a02", made_world.BARE)):
        scalars = of(made, keys, made.keys("a03"))
        assert scalars.shape == (len(keys), len(COLUMNS))
        assert scalars.dtype == np.float32
        assert np.isfinite(scalars).all()


def test_the_rows_of_examples_are_those_of_their_lists(made: Made) -> None:
    """Histories of many users are computed at once, padded; serving computes one at a time."""
    examples = Replay(made.data.attributes, made.data.users).run(made.data.log)
    lists = range(len(examples) - 150, len(examples) - 20)
    scalars = example_affinities(made.model.views, MODALITIES, examples, lists)
    assert len(scalars) == examples.offsets[lists.stop] - examples.offsets[lists.start]
    for i in lists:
        rows = slice(examples.offsets[i], examples.offsets[i + 1])
        known = examples.history[i] != NONE
        history, ages = examples.history[i][known], examples.at[i] - examples.history_at[i][known]
        user = user_vectors(made.model.views, history[None], ages[None])[0]
        context = int(examples.context_article[i])
        alone = affinities(made.model.views, MODALITIES, examples.keys[rows], user, history, context)
        start = examples.offsets[lists.start]
        np.testing.assert_allclose(scalars[rows.start - start : rows.stop - start], alone, atol=1e-5)


def test_before_any_towers_all_are_zero(made: Made) -> None:
    examples = Replay(made.data.attributes, made.data.users).run(made.data.log)
    scalars = example_affinities(None, MODALITIES, examples, range(5, 9))
    assert scalars.shape == (examples.offsets[9] - examples.offsets[5], len(COLUMNS))
    assert not scalars.any()


def test_without_history_only_what_is_there_counts(made: Made) -> None:
    scalars = of(made, made.keys("a01", "a02", "a10", made_world.BARE), NOTHING)
    told = [name for name in COLUMNS if column(scalars, name).any()]
    assert told == ["learned_there", "image_there", "title_there"]
    assert column(scalars, "title_there").tolist() == [1, 1, 1, 0]
    assert column(scalars, "image_there").tolist() == [1, 1, 0, 0]
    assert column(scalars, "learned_there").tolist() == [1, 1, 1, 0]


def test_the_learned_basis_may_be_rotated(made: Made) -> None:
    views = made.model.views
    square = np.random.default_rng(0).standard_normal((views.learned.dim, views.learned.dim))
    rotation = np.linalg.qr(square)[0].astype(np.float32)
    learned = VectorIndex(views.learned.dim)
    learned.put(views.learned.keys, views.learned.vectors(views.learned.keys)[0] @ rotation)
    rotated = Views(Rotated(views.towers, rotation), learned, views.content)  # type: ignore[arg-type]
    keys, history = made.keys("a01", "a02", "a50"), made.keys("a03", "a04", "a47")
    before, after = (of(made, keys, history, int(history[0]), v) for v in (views, rotated))
    assert np.abs(column(before, "learned")).min() > 0.01
    np.testing.assert_allclose(before, after, atol=2e-4)


def test_cosines_with_the_history_by_modality(made: Made) -> None:
    """Written out again from the content vectors."""
    views, keys, history = made.model.views, made.keys("a05", "a06"), made.keys("a09", "a14", "a21")
    scalars = of(made, keys, history)
    for modality in MODALITIES:
        part = views.towers.content_space.parts[modality]
        candidates, read = (views.content.vectors(k)[0][:, part].astype(np.float64) for k in (keys, history))
        lengths = np.outer(np.linalg.norm(candidates, axis=1), np.linalg.norm(read, axis=1))
        cosines = candidates @ read.T / lengths
        np.testing.assert_allclose(column(scalars, f"{modality}_mean"), cosines.mean(axis=1), atol=1e-5)
        np.testing.assert_allclose(column(scalars, f"{modality}_best"), cosines.max(axis=1), atol=1e-5)
        np.testing.assert_allclose(column(scalars, f"{modality}_last"), cosines[:, 2], atol=1e-5)


def test_what_was_read_is_nearest_to_itself(made: Made) -> None:
    history = made.keys("a03", "a08")
    scalars = of(made, history, history)
    for modality in MODALITIES:
        np.testing.assert_allclose(column(scalars, f"{modality}_best"), 1.0, atol=1e-5)


def test_a_read_article_without_a_picture_says_nothing_of_pictures(made: Made) -> None:
    keys = made.keys("a01", "a02")
    with_it, without = of(made, keys, made.keys("a03", "a10")), of(made, keys, made.keys("a03"))
    for what in ("mean", "best", "last"):
        np.testing.assert_array_equal(column(with_it, f"image_{what}"), column(without, f"image_{what}"))
    assert (column(with_it, "title_last") != column(without, "title_last")).all()


def test_the_article_being_read(made: Made) -> None:
    keys = made.keys("a01", "a02")
    scalars = of(made, keys, NOTHING, int(made.keys("a01")[0]))
    for name in ("learned_context", "image_context", "title_context"):
        assert column(scalars, name)[0] == pytest.approx(1.0, abs=1e-5)
        assert column(scalars, name)[1] < 0.99
    assert not column(scalars, "learned").any()


def test_articles_of_the_users_section_are_nearer(made: Made) -> None:
    keys = made.keys(*(made_world.article_id(n) for n in range(41, 61)))
    scalars = of(made, keys, made.keys("a03", "a07", "a11", "a15"))
    same = np.array(made.sections(keys)) == made_world.section_of(3)
    for name in ("title_mean", "image_mean", "learned"):
        assert column(scalars, name)[same].mean() > column(scalars, name)[~same].mean() + 0.05


def test_a_candidate_is_scored_alone(made: Made) -> None:
    keys, history = made.keys("a01", "a02", "a10", "a75"), made.keys("a03", "a04")
    together = of(made, keys, history, int(history[0]))
    alone = np.concatenate([of(made, keys[[i]], history, int(history[0])) for i in range(len(keys))])
    np.testing.assert_allclose(together, alone, atol=1e-5)
