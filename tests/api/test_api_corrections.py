"""A title is corrected and a picture replaced while the service and its worker run."""

import base64
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from api_calls import event, recommended, seen, send, until
from PIL import Image
from sqlalchemy import func, select

from recsys.database import articles, vectors
from recsys.database.tables import VectorRow
from recsys.encoders import expected_ids
from recsys.lifecycle.worker_process import WorkerProcess

MODALITIES = ("title", "image")


@pytest.fixture
def worker(site) -> Iterator[WorkerProcess]:
    started = WorkerProcess(site)
    yield started
    started.stop()


def picture(colour):
    file = BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


class Desk:
    """An editor's view of one article: what is served of it, and whether that is what the database has."""

    def __init__(self, client, site):
        self.client, self.site, self.running = client, site, client.app.state.running

    def put(self, **article):
        assert self.client.put("/v1/articles/n1", json=article).status_code in (200, 201)

    def waiting(self):
        with self.running.sessions() as session:
            return sum(vectors.count_not_encoded(session, m, expected_ids(self.site)[m]) for m in MODALITIES)

    def vectors(self):
        with self.running.sessions() as session:
            return session.scalar(select(func.count()).select_from(VectorRow))

    def changes(self):
        with self.running.sessions() as session:
            return articles.last_change(session)

    def key(self):
        with self.running.sessions() as session:
            return articles.keys_of(session, ["n1"])["n1"]

    def indexed(self):
        """The vectors that the live model has of the article, learned and content."""
        views, key = self.running.live.model.views, np.array([self.key()])
        return np.concatenate([views.learned.vectors(key)[0][0], views.content.vectors(key)[0][0]])

    def signature(self):
        signatures = self.running.live.world.attributes.signatures
        return signatures[self.key()] if self.key() < len(signatures) else np.zeros(1)

    def near(self, by):
        found = self.client.get("/v1/articles/n1/similar", params={"by": by, "limit": 3}).json()["items"]
        return {self.client.get(f"/v1/articles/{item['article_id']}").json()["section"] for item in found}


def test_a_correction_is_seen_by_the_live_model_and_the_past_stays(client, site, worker):
    desk = Desk(client, site)
    first = {"title": "Parliament ends the budget vote in a night session", "image": picture((40, 40, 170))}
    first |= {"section": "politics", "published_at": "2026-03-22T07:00:00Z"}
    desk.put(**first)
    until(lambda: desk.near("title") == desk.near("image") == {"politics"}, 90)
    until(lambda: desk.signature().any(), 30)
    before, key, encoded = desk.indexed(), desk.key(), desk.vectors()
    shown = seen(["n1", "a1"], user="ann")
    send(client, shown, event(user="ann", article="n1", impression_id=shown["event_id"]))
    until(lambda: desk.running.live.world.state.totals[key].tolist() == [1, 1], 30)

    changes = desk.changes()
    desk.put(**first)
    assert desk.changes() == changes  # unchanged: nobody is told of anything

    desk.put(**first | {"section": "science", "published_at": "2026-03-22T08:00:00Z", "author": "Jo"})
    assert desk.changes() > changes
    assert desk.waiting() == 0
    sections = desk.running.live.world.catalogue.sections
    until(lambda: sections[desk.running.live.world.catalogue.section[key]] == "science", 30)
    np.testing.assert_array_equal(desk.indexed(), before)

    signature = desk.signature().copy()
    desk.put(title="The bakery sells soup and cheese at the harvest", section="food", image=picture((220, 140, 30)))
    until(lambda: desk.waiting() == 0 and desk.near("title") == desk.near("image") == {"food"}, 60)
    assert desk.vectors() == encoded + 2
    assert np.abs(desk.indexed() - before).max() > 0.1
    until(lambda: np.abs(desk.signature() - signature).max() > 0.1, 30)

    assert desk.key() == key
    assert desk.running.live.world.state.totals[key].tolist() == [1, 1]
    past = client.get("/v1/users/ann").json()["history"]
    assert [(p["article_id"], p["title"]) for p in past] == [("n1", "The bakery sells soup and cheese at the harvest")]
    assert "n1" not in [item["article_id"] for item in recommended(client, "ann", limit=100)["items"]]
