"""The whole service over real sockets: the API in a server, the worker as a process of its own."""

import base64
import logging
import threading
from io import BytesIO

import numpy as np
import pytest
from api_calls import event, ids, recommended, send, until
from PIL import Image

from recsys.encoders import expected_ids
from recsys.lifecycle import worker_process
from recsys.lifecycle.worker_process import WorkerProcess
from recsys.serving.live import Live


@pytest.fixture
def worker(site, monkeypatch):
    monkeypatch.setattr(worker_process, "PATIENCE", 300.0)  # on a busy machine it waits for its turn
    started = WorkerProcess(site)
    yield started
    started.stop()
    assert started.process.returncode == 0


def picture():
    file = BytesIO()
    Image.new("RGB", (64, 48), (40, 40, 170)).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def test_an_article_comes_and_goes_while_the_service_runs(http, worker):
    story = {"title": "Parliament ends the budget vote in a night session", "section": "politics", "image": picture()}
    sent = [{"article_id": "night session", **story}]
    assert http.post("/v1/articles", json=sent).json() == {"articles": 1, "changed": 1}
    until(lambda: "night session" in ids(recommended(http, "stranger", limit=100)), 30)

    near = "/v1/articles/night%20session/similar"
    for by in ("title", "image", "fused"):
        until(lambda by=by: http.get(near, params={"by": by}).json()["items"], 90)
        nearest = http.get(near, params={"by": by, "limit": 3}).json()["items"]
        assert {http.get(f"/v1/articles/{item['article_id']}").json()["section"] for item in nearest} == {"politics"}

    assert send(http, event(user="stranger", article="night session"))["accepted"] == 1
    assert "night session" not in ids(recommended(http, "stranger", limit=100))
    assert "night session" in ids(recommended(http, "another", limit=100))
    assert http.delete("/v1/articles/night%20session").status_code == 204
    assert "night session" not in ids(recommended(http, "another", limit=100))


def test_requests_at_the_same_time_are_all_answered_and_folded(http, site, caplog):
    """Readers, clicks and changes of the catalogue, from several threads at once.

    Afterwards the process knows, to the bit, what a fresh one reads from the log; and it never had to start again.
    """
    caplog.set_level(logging.INFO, "recsys.serving.live")
    failures = []

    def visit(number):
        for turn in range(6):
            user = f"visitor{number}"
            answer = http.get(f"/v1/users/{user}/recommendations")
            first = answer.json()["items"][0]["article_id"] if answer.status_code == 200 else "a1"
            click = event(user=user, article=first, impression_id=answer.json().get("impression_id"))
            sent = http.post("/v1/events", json={"events": [click]})
            put = http.put(f"/v1/articles/v{number}-{turn}", json={"title": f"Visitor {number} on turn {turn}"})
            own = http.post(f"/v1/users/{user}/rank", json={"article_ids": [f"v{number}-{turn}", "a1"]})
            failures.extend(r.text for r in (answer, sent, put, own) if r.status_code >= 400)
            if first in ids(recommended(http, user)):
                failures.append(f"{first} came again")

    threads = [threading.Thread(target=visit, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert http.get("/v1/users/visitor0").json()["clicks"] == 6
    running = http.app.state.running
    fresh = Live(running.sessions, site, expected_ids(site))
    until(lambda: running.live.world.state.totals.sum() == fresh.world.state.totals.sum(), 30)
    for followed, read in zip(running.live.world.state, fresh.world.state, strict=True):
        np.testing.assert_array_equal(followed, read)
    assert caplog.messages == []
