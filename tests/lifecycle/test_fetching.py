"""Pictures at addresses come to their articles beside the encoding, and what does not come is tried again."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import picture_server
import pytest
from sqlalchemy import select
from test_encode_new import put
from test_lifecycle_worker import running, until

from recsys.database import articles, vectors
from recsys.database.session import Sessions
from recsys.database.tables import ContentRow
from recsys.domain import Article
from recsys.encoders.image import ImageEncoder
from recsys.lifecycle import fetching, worker
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.fetching import Queue, fetch_pictures
from recsys.settings import Settings


class Small(ImageEncoder):
    """The real image encoder without its model: which pictures there are is what counts here."""

    dim = 2

    def encode(self, found: list[Article], view: int = 0) -> tuple[np.ndarray, np.ndarray]:
        mask = np.array([self.status(article) == "ok" for article in found], np.bool_)
        return np.ones((len(found), 2), np.float32) * mask[:, None], mask


@pytest.fixture
def here(settings: Settings) -> Settings:
    """Settings under which this machine may be asked."""
    return settings.model_copy(update={"fetch_hosts": "localhost, 127.0.0.1"})


@pytest.fixture
def site() -> Iterator[picture_server.Site]:
    with picture_server.serving(one=picture_server.picture(), page=b"<html></html>") as site:
        yield site


def encoder(settings: Settings) -> Small:
    return Small(device=settings.device, fetched=settings.fetched)


def fetch(sessions: Sessions, settings: Settings) -> None:
    fetch_pictures(sessions, settings, lambda _stage, _done, _total: None)


def states(sessions: Sessions) -> dict[str, str]:
    """What is known of each article's picture."""
    with sessions() as session:
        rows = list(session.scalars(select(ContentRow).filter_by(modality="image")))
        known = articles.articles_by_key(session, [row.article for row in rows])
        return {known[row.article].article_id: row.status for row in rows}


def test_a_picture_at_an_address_is_encoded(sessions: Sessions, here: Settings, site: picture_server.Site) -> None:
    put(sessions, Article("a", image=site.address("/one")), Article("b", image=site.address("/page")), Article("c"))
    fetch(sessions, here)
    report = encode_new(sessions, [encoder(here)])
    assert report.encoded == {"image": 1}
    assert states(sessions) == {"a": "ok", "b": "broken", "c": "missing"}
    with sessions() as session:
        encoder_id = encoder(here).encoder_id
        vector, mask = vectors.load_vectors(session, "image", encoder_id, 2, np.array([1, 2]))
    assert (vector[0].tolist(), mask.tolist()) == ([1.0, 1.0], [True, False])


def test_a_picture_that_comes_after_the_encoder_looked_is_encoded_too(
    sessions: Sessions, here: Settings, site: picture_server.Site
) -> None:
    put(sessions, Article("a", image=site.address("/one")))
    assert encode_new(sessions, [encoder(here)]).missing == {"image": 1}
    fetch(sessions, here)
    assert encode_new(sessions, [encoder(here)]).encoded == {"image": 1}


def test_a_picture_that_comes_while_the_encoder_works_is_encoded_too(
    sessions: Sessions, here: Settings, site: picture_server.Site
) -> None:
    class Slow(Small):
        def encode(self, found: list[Article], view: int = 0) -> tuple[np.ndarray, np.ndarray]:
            fetch(sessions, here)
            return super().encode(found, view)

    put(sessions, Article("a", image=site.address("/one")))
    encode_new(sessions, [Slow(device=here.device, fetched=here.fetched)])
    assert states(sessions) == {"a": "ok"}


def test_what_may_not_be_asked_is_not_asked(sessions: Sessions, settings: Settings, site: picture_server.Site) -> None:
    put(sessions, Article("a", image=site.address("/one")), Article("b", image=site.address("/one", "localhost")))
    fetch(sessions, settings)
    fetch(sessions, settings.model_copy(update={"fetch_pictures": False, "fetch_hosts": "localhost"}))
    encode_new(sessions, [encoder(settings)])
    assert states(sessions) == {"a": "broken", "b": "broken"}
    assert site.asked == []


def test_one_address_of_many_articles_is_asked_once(
    sessions: Sessions, here: Settings, site: picture_server.Site
) -> None:
    put(sessions, *(Article(f"a{n}", image=site.address("/one")) for n in range(30)))
    fetch(sessions, here)
    fetch(sessions, here)
    assert encode_new(sessions, [encoder(here)]).encoded == {"image": 30}
    fetch(sessions, here)
    assert len(site.asked) == 1


def test_a_slow_site_does_not_hold_up_the_others(
    sessions: Sessions, here: Settings, site: picture_server.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three pictures that never end, and newer ones behind them: these are there while those are waited for."""
    monkeypatch.setattr(worker, "load_encoders", lambda given: [encoder(given)])
    site.answers |= {f"slow{n}": "slow" for n in range(3)} | {f"p{n}": picture_server.picture() for n in range(20)}
    put(sessions, *(Article(f"s{n}", image=site.address(f"/slow{n}")) for n in range(3)))
    put(sessions, *(Article(f"p{n}", image=site.address(f"/p{n}")) for n in range(20)))
    with running(here):
        until(lambda: sum(status == "ok" for status in states(sessions).values()) == 20)
        assert not any(states(sessions).get(f"s{n}") == "ok" for n in range(3))
        site.hurry.set()


def test_the_worker_fetches_as_articles_come_and_tries_again(
    sessions: Sessions, here: Settings, site: picture_server.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "load_encoders", lambda given: [encoder(given)])
    monkeypatch.setattr(fetching, "PAUSES", (0.2,) * 1000)
    with running(here):
        put(sessions, Article("a", image=site.address("/late")))
        until(lambda: len(site.asked) >= 3)
        until(lambda: states(sessions).get("a") == "broken")
        site.answers["late"] = picture_server.picture()
        put(sessions, Article("b", image=site.address("/late")), Article("c", image=site.address("/one")))
        until(lambda: states(sessions).get("c") == "ok")
        until(lambda: states(sessions) == dict.fromkeys("abc", "ok"), 5)


def test_an_article_with_another_picture_gets_that_one(
    sessions: Sessions, here: Settings, site: picture_server.Site
) -> None:
    story = Article("a", title="Snow on the pass", image=site.address("/nothing"))
    put(sessions, story)
    fetch(sessions, here)
    put(sessions, replace(story, image=site.address("/one")))
    fetch(sessions, here)
    encode_new(sessions, [encoder(here)])
    assert states(sessions) == {"a": "ok"}


def test_pauses_grow_and_end() -> None:
    queue, now = Queue(pauses=(10.0, 100.0)), 0.0
    queue.add("old", 1)
    queue.add("new", 2)
    queue.add("new", 3)
    assert [queue.take(now), queue.take(now), queue.take(now)] == ["new", "old", None]
    assert queue.came("old") == {1}
    assert queue.failed("new", now) == {2, 3}
    assert [queue.take(9.0), queue.take(10.0)] == [None, "new"]
    queue.failed("new", 10.0)
    assert [queue.take(109.0), queue.take(110.0)] == [None, "new"]
    assert queue.failed("new", 110.0) == {2, 3}
    assert (queue.take(1e9), len(queue)) == (None, 0)
    queue.add("new", 2)  # its article changed
    assert queue.take(now) == "new"


def test_nothing_runs_on_when_the_worker_ends(
    sessions: Sessions, here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "load_encoders", lambda given: [encoder(given)])
    with running(here):
        until(lambda: any(thread.name == "pictures" for thread in threading.enumerate()))
    assert not any(thread.name == "pictures" for thread in threading.enumerate())
