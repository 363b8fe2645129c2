"""The least that a recommender can be, as something to be faster than: one file, one table, one index, one small head.

History from SQLite by hand-written SQL, the 500 nearest of all articles by an 8-bit flat FAISS index of 128 dimensions,
576 inputs for each of them through a 128-64-1 head on one torch thread, maximal marginal relevance, and the answer
logged. The features of the fold are read from the same state by the same compiled function as in recsys. It has one
source, no filter but what the reader has read, no second stage, follows no log, and checks nothing. Its vectors and
weights are drawn at random.

As a child of ``serving.py`` it measures itself in process for so many seconds, prints the figures as one line, and then
answers over HTTP: ``python benchmarks/prototype.py PORT USERS SECONDS``, with settings as a line on standard input.
"""

import json
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from serving_inside import one_thread, percentiles
from serving_names import user_id
from serving_server import HOST, Server, free_port, wait_until_ready
from torch import nn

from api.app import SWITCH
from recsys.columns import Floats32, Ints
from recsys.database.session import open_sessions
from recsys.encoders import expected_ids
from recsys.features.features import WIDTH, compute_features
from recsys.features.history import UserView
from recsys.features.marks import scratch_for
from recsys.pipeline.situation import ANYWHERE, World
from recsys.serving.live import Live
from recsys.settings import Settings

DIM, CANDIDATES, INPUTS, LIMIT = 128, 500, 576, 10
HISTORY, LISTS = 50, 48
SELECTED_FROM, DIVERSITY = 50, 0.2

Answer = list[dict[str, Any]]


class Prototype:
    """Answers for one thread at a time."""

    def __init__(self, settings: Settings, world: World, users: int) -> None:
        draw, count = np.random.default_rng(0), len(world.catalogue)
        made = draw.standard_normal((count, DIM), np.float32) / np.float32(np.sqrt(DIM))
        self.world, self.vectors = world, made
        self.index = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        self.index.train(made)
        self.index.add(made)
        self.head = nn.Sequential(
            nn.Linear(INPUTS, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1)
        ).eval()  # fmt: skip
        self.scratch = scratch_for(count + 1024, users + 1024)
        self.site = sqlite3.connect(settings.home / "recsys.db", check_same_thread=False)
        self.log = sqlite3.connect(settings.home / "prototype.db", check_same_thread=False, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=NORMAL",
            "CREATE TABLE IF NOT EXISTS served (id TEXT PRIMARY KEY, user INTEGER, at REAL, shown TEXT, scores TEXT)",
        ):
            self.log.execute(statement)
        self.lock = threading.Lock()

    def recommend(self, name: str) -> Answer:
        """Ten articles for a reader, logged."""
        now = time.time()
        with self.lock:
            user, view = self._reader(name)
            taste = self.vectors[view.clicked].mean(axis=0) if len(view.clicked) else np.zeros(DIM, np.float32)
            found = self.index.search(taste[None], CANDIDATES + len(view.clicked))[1][0]
            keys = found[(found > 0) & ~np.isin(found, view.clicked)][:CANDIDATES]
            scores = self._score(user, view, taste, keys, now)
            chosen = _diverse(scores, self.vectors[keys])
            self._log(user, now, keys[chosen], scores[chosen])
        ids = self.world.catalogue.article_ids[keys[chosen]].tolist()
        return [{"article_id": i, "score": s} for i, s in zip(ids, scores[chosen].tolist(), strict=True)]

    def _reader(self, name: str) -> tuple[int, UserView]:
        user = self.site.execute("SELECT key FROM users WHERE user_id = ?", (name,)).fetchone()[0]
        clicks = self.site.execute(
            "SELECT article, at, weight FROM clicks WHERE user = ? ORDER BY known_at DESC LIMIT ?", (user, HISTORY)
        ).fetchall()[::-1]
        lists = self.site.execute(
            "SELECT shown, known_at FROM impressions WHERE user = ? ORDER BY known_at DESC LIMIT ?", (user, LISTS)
        ).fetchall()[::-1]
        rows = [(key, at) for shown, at in lists for key in json.loads(shown)]
        article, at, weight = np.array(clicks, np.float64).reshape(-1, 3).T
        shown, shown_at = np.array(rows, np.float64).reshape(-1, 2).T
        count = len(self.world.catalogue)
        known, seen = article < count, shown < count
        return user, UserView(
            article[known].astype(np.int64), at[known], weight[known], shown[seen].astype(np.int64), shown_at[seen]
        )

    def _score(self, user: int, view: UserView, taste: Floats32, keys: Ints, now: float) -> Floats32:
        features = np.zeros((len(keys), WIDTH), np.float32)
        world = self.world
        compute_features(world.state, world.attributes, view, user, ANYWHERE, now, keys, self.scratch, features)
        items = self.vectors[keys]
        users = np.broadcast_to(taste, items.shape)
        inputs = np.concatenate(
            [items, users, items * users, np.abs(items - users), features[:, : INPUTS - 4 * DIM]], 1
        )
        with torch.inference_mode():
            return np.asarray(torch.sigmoid(self.head(torch.from_numpy(inputs)))[:, 0])

    def _log(self, user: int, now: float, keys: Ints, scores: Floats32) -> None:
        row = uuid.uuid4().hex, user, now, json.dumps(keys.tolist()), json.dumps(scores.tolist())
        self.log.execute("INSERT INTO served VALUES (?, ?, ?, ?, ?)", row)


@contextmanager
def running(settings: Settings, users: int, seconds: float) -> Iterator[tuple[Server, dict[str, Any]]]:
    """The prototype as a server that is ready, and what it measured in process before."""
    port = free_port()
    command = [sys.executable, __file__, str(port), str(users), str(seconds)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=one_thread())
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(settings.model_dump_json().encode() + b"\n")
        child.stdin.flush()
        figures = json.loads(child.stdout.readline())
        server = Server(child, port)
        wait_until_ready(server)
        yield server, figures
    finally:
        child.terminate()
        child.communicate()


def app_of(prototype: Prototype) -> FastAPI:
    """The same answers over HTTP."""
    app = FastAPI()

    @app.get("/v1/users/{name}/recommendations")
    def recommend(name: str) -> Answer:
        return prototype.recommend(name)

    @app.get("/readyz")
    def ready() -> bool:
        return True

    return app


def measured(prototype: Prototype, users: int, seconds: float) -> dict[str, Any]:
    """Milliseconds in process."""
    draw, took = np.random.default_rng(), []
    for key in draw.integers(1, users + 1, 20).tolist():
        prototype.recommend(user_id(key))
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        name, started = user_id(int(draw.integers(1, users + 1))), time.perf_counter()
        prototype.recommend(name)
        took.append(1000 * (time.perf_counter() - started))
    return {"requests / s": round(1000 * len(took) / sum(took), 1), **percentiles(took)}


def _diverse(scores: Floats32, vectors: Floats32) -> Ints:
    """Places of the chosen, by maximal marginal relevance among the best."""
    best = np.argsort(-scores)[:SELECTED_FROM]
    unit = vectors[best] / np.linalg.norm(vectors[best], axis=1, keepdims=True)
    left, near, chosen = scores[best].astype(np.float64), np.zeros(len(best)), []
    for _ in range(min(LIMIT, len(best))):
        place = int(np.argmax((1 - DIVERSITY) * left - DIVERSITY * near))
        chosen.append(place)
        left[place] = -np.inf
        near = np.maximum(near, unit @ unit[place])
    return best[chosen]


def main() -> None:
    """Measure in process, print that, and serve."""
    port, users, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH)  # as the API does
    faiss.omp_set_num_threads(1)
    settings = Settings.model_validate_json(sys.stdin.readline())
    live = Live(open_sessions(settings), settings, expected_ids(settings), until=time.time())
    prototype = Prototype(settings, live.world, users)
    print(json.dumps(measured(prototype, users, seconds)), flush=True)
    uvicorn.run(app_of(prototype), host=HOST, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
