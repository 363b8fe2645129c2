"""Augmented views are encoded once, last, counted by themselves, and trained on."""

import threading
from dataclasses import dataclass, field

import made_world
import numpy as np
import pytest
from made_training import hurry, weights
from test_encode_new import MadeEncoder, put, some, stored

from recsys.columns import Bools, Floats32
from recsys.database import articles, vectors
from recsys.database.session import Sessions
from recsys.domain import Article
from recsys.encoders import expected_ids, view_id, with_views
from recsys.lifecycle import encode as room
from recsys.lifecycle import worker
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.train import train
from recsys.settings import Settings


@dataclass
class MadeViewed(MadeEncoder):
    """Adds the number of the view to the vectors."""

    views: list[int] = field(default_factory=list)

    def encode(self, batch: list[Article], view: int = 0) -> tuple[Floats32, Bools]:
        self.views.append(view)
        made, readable = super().encode(batch)
        return made + np.float32(view) * readable[:, None], readable


def plain_and_view(sessions: Sessions, encoder: MadeViewed, name: str) -> np.ndarray:
    found = [stored(sessions, each, name)[0] for each in with_views([encoder], 1)]
    return np.array(found, np.float32)


def test_views_are_cached_beside_the_plain_vectors_and_counted_by_themselves(sessions: Sessions) -> None:
    put(sessions, Article("a", title="one"), Article("b", title="two"), Article("c"), Article("d", title="one"))
    encoder = MadeViewed()
    report = encode_new(sessions, with_views([encoder], 2))
    assert report.encoded == {"title": 3, "title#view1": 3, "title#view2": 3}
    assert report.missing == {"title": 1, "title#view1": 1, "title#view2": 1}
    assert encoder.views == [0, 1, 2]
    plain, view = plain_and_view(sessions, encoder, "a")
    np.testing.assert_allclose(view - plain, 1.0, atol=2e-3)
    assert encode_new(sessions, with_views([encoder], 2)).looked_at == 0


def test_views_that_are_asked_for_later_cost_no_plain_encoding(sessions: Sessions) -> None:
    put(sessions, *some(4))
    encoder = MadeViewed()
    encode_new(sessions, [encoder])
    report = encode_new(sessions, with_views([encoder], 1))
    assert report.encoded == {"title": 0, "title#view1": 4}
    assert encoder.views == [0, 1]


def test_a_changed_title_has_new_views(sessions: Sessions) -> None:
    put(sessions, Article("a", title="before"))
    encoder = MadeViewed()
    encode_new(sessions, with_views([encoder], 1))
    put(sessions, Article("a", title="after"))
    encode_new(sessions, with_views([encoder], 1))
    plain, view = plain_and_view(sessions, encoder, "a")
    np.testing.assert_allclose(view - plain, 1.0, atol=2e-3)
    assert encoder.views == [0, 1, 0, 1]


def test_an_interruption_among_the_views_loses_one_batch(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BATCH", 3)
    put(sessions, *some(8))

    def fail(call: int) -> None:
        if call == 5:  # three batches of titles, then the second of their view
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_new(sessions, with_views([MadeViewed(before=fail)], 1))
    report = encode_new(sessions, with_views([MadeViewed()], 1))
    assert report.encoded == {"title": 0, "title#view1": 5}


def test_nobody_is_told_of_vectors_that_are_not_served(sessions: Sessions) -> None:
    put(sessions, *some(2))
    encoder = MadeViewed()
    encode_new(sessions, [encoder])
    with sessions() as session:
        before = articles.last_change(session)
    encode_new(sessions, with_views([encoder], 2))
    with sessions() as session:
        assert articles.last_change(session) == before


def test_the_worker_makes_views_when_everything_else_is_done(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    title, image = MadeViewed(), MadeViewed("image", "pictures@1")
    image.before = lambda call: stop.set() if call == 2 else None  # its view: the last of four
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [title, image])
    monkeypatch.setattr(worker, "warm_up", lambda _encoder: None)  # calls are counted
    put(sessions, Article("a", title="one", image="p1"))
    worker.run_worker(settings.model_copy(update={"augment": 1}), stop)
    assert (title.views, image.views) == ([0, 1], [0, 1])


def test_new_articles_need_not_wait_for_the_views_of_old_ones(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "BATCH", 3)
    monkeypatch.setattr(worker, "EVERY", 0.01)
    stop, encoder = threading.Event(), MadeViewed()

    def news(call: int) -> None:
        if call == 4:  # the first batch of the view
            put(sessions, Article("new", title="news"))
        if call == 7:  # the last one of all
            stop.set()

    encoder.before = news
    put(sessions, *some(8))
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [encoder])
    monkeypatch.setattr(worker, "warm_up", lambda _encoder: None)  # calls are counted
    late = threading.Timer(60.0, stop.set)
    late.start()
    worker.run_worker(settings.model_copy(update={"augment": 1}), stop)
    late.cancel()
    assert encoder.views == [0, 0, 0, 1, 0, 1, 1]
    assert encoder.seen[11] == "new"


def test_a_training_encodes_the_views_and_trains_on_them(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real text encoder; what is served stays the plain vectors'."""
    plainly = settings.model_copy(update={"image_encoder": ""})
    augmented = plainly.model_copy(update={"augment": 1})
    world = made_world.install(settings)
    hurry(monkeypatch)
    plain = train(world, plainly, until=made_world.SPLIT)
    first, second = (train(world, augmented, until=made_world.SPLIT) for _ in range(2))
    encoder = view_id(expected_ids(settings)["title"], 1)
    with world() as session:
        assert vectors.count_not_encoded(session, "title", encoder) == 0
        assert vectors.dim_of(session, encoder) == made_world.DIMS["title"]
    assert first.encoders == plain.encoders == expected_ids(plainly)
    assert (first.metrics["views"], plain.metrics["views"]) == (1, 0)
    assert weights(settings, first.version) == weights(settings, second.version) != weights(settings, plain.version)
    keys = plain.views.content.keys
    np.testing.assert_array_equal(first.views.content.vectors(keys)[0], plain.views.content.vectors(keys)[0])
