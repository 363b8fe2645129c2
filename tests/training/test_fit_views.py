"""Augmented views: training sees them now and then, and nothing else does."""

import dataclasses

import numpy as np
from test_fit_towers import ARTICLES, FAST, SPLIT, make_clicks, make_content, recall

from recsys.pipeline.content import Content, ContentSpace
from recsys.training.batches import Task, draw, make_task
from recsys.training.towers import fit_towers

KEYS = np.arange(1, ARTICLES)
SHORT = dataclasses.replace(FAST, epochs=6)


def shifted(content: Content, by: float, has: np.ndarray | None = None) -> Content:
    """The same vectors, each moved a little, of the articles that ``has`` says; rows for the others as well."""
    noise = np.random.default_rng(int(by * 100)).standard_normal(content.vectors["title"].shape)
    vectors = content.vectors["title"] + by * noise.astype(np.float32)
    return Content({"title": vectors}, {"title": content.mask["title"] if has is None else has})


def task_of(*views: Content) -> Task:
    content = make_content()
    return make_task(ContentSpace.fit(content), content, make_clicks(), SPLIT, None, views)


def drawn(task: Task, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places and fusion inputs of one batch."""
    batch = draw(task, task.examples[:64], 50, 32, np.random.default_rng(seed))
    return batch.items.numpy(), task.inputs(batch)["title"].numpy()


def test_without_views_the_fusion_sees_the_vectors_themselves() -> None:
    task = task_of()
    places, seen = drawn(task)
    np.testing.assert_array_equal(seen, task.vectors["title"].numpy()[places])


def test_each_batch_sees_one_of_the_views_or_the_vector_itself() -> None:
    content = make_content()
    task = task_of(shifted(content, 0.1), shifted(content, 0.2))
    tables = task.views["title"].numpy()
    assert tables.shape == (3, *task.vectors["title"].shape)
    counts = np.zeros(3)
    for seed in range(5):
        places, seen = drawn(task, seed)
        chosen = np.abs(tables[:, places] - seen).sum(axis=2).argmin(axis=0)
        np.testing.assert_array_equal(tables[chosen, places], seen)
        counts += np.bincount(chosen, minlength=3)
    assert (counts / counts.sum()).min() > 0.25


def test_an_article_without_a_view_is_seen_as_it_is() -> None:
    content = make_content()
    half = np.arange(ARTICLES) % 2 == 0
    task = task_of(shifted(content, 0.3, half))
    plain, view = task.views["title"].numpy()
    same = (plain == view).all(axis=1)
    np.testing.assert_array_equal(same, task.keys % 2 == 1)


def test_views_of_some_articles_are_enough() -> None:
    """They are read for the articles of the log alone."""
    content = make_content()
    keys = np.arange(1, 50)
    view = shifted(content, 0.3)
    some = Content({"title": view.vectors["title"][keys]}, {"title": view.mask["title"][keys]}, keys)
    plain, seen = task_of(some).views["title"].numpy()
    whole = task_of(view)
    np.testing.assert_array_equal(seen[whole.keys < 50], whole.views["title"].numpy()[1][whole.keys < 50])
    np.testing.assert_array_equal(seen[whole.keys >= 50], plain[whole.keys >= 50])


def test_towers_that_saw_views_find_what_a_user_reads_next_and_are_other_towers() -> None:
    content, clicks = make_content(), make_clicks()
    views = [shifted(content, 0.1), shifted(content, 0.2)]
    plain = fit_towers(content, clicks, until=SPLIT, config=SHORT)
    augmented, again = (fit_towers(content, clicks, until=SPLIT, views=views, config=SHORT) for _ in range(2))
    assert recall(augmented, content, clicks) > 0.8
    learned = [towers.item_vectors(content, KEYS)[0] for towers in (plain, augmented, again)]
    np.testing.assert_array_equal(learned[1], learned[2])
    assert np.abs(learned[0] - learned[1]).max() > 1e-3
    np.testing.assert_array_equal(plain.content_vectors(content, KEYS), augmented.content_vectors(content, KEYS))
