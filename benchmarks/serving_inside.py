"""Answers without HTTP: ``recommend`` in a process of its own that follows the same database, and its parts alone.

Run as a child of ``serving.py``: settings come as a line of JSON on standard input, figures go to standard output.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import psutil
import torch
from serving_names import user_id

from api.app import SWITCH
from recsys.columns import Floats32
from recsys.database.session import open_sessions
from recsys.encoders import expected_ids
from recsys.lifecycle.schedule import ONE_THREAD
from recsys.model.ranking_head import ListwiseHead
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import rank
from recsys.pipeline.scorer import widths
from recsys.pipeline.situation import Request
from recsys.pipeline.sources import BY_TASTE, CANDIDATES, SHARE
from recsys.pipeline.taste import Taste, tastes
from recsys.retrieval.index import VectorIndex
from recsys.serving.hydrate import request_of
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender
from recsys.settings import Settings
from recsys.stages import recording

Figures = dict[str, Any]
WARM_UP = 20  # answers before anything is measured
SAMPLE = 100  # readers whose searches are repeated exactly
NEIGHBOURS = 100


def in_child(settings: Settings, users: int, seconds: float) -> Figures:
    """The figures of one run, from a process that does nothing else."""
    command = [sys.executable, __file__, str(users), str(seconds)]
    done = subprocess.run(
        command, input=settings.model_dump_json(), stdout=subprocess.PIPE, text=True, check=True, env=one_thread()
    )  # fmt: skip
    return json.loads(done.stdout)


def one_thread() -> dict[str, str]:
    """The variables of a process whose libraries use one thread for one product, as those of `recsys serve` do."""
    return {**os.environ, **ONE_THREAD}


def measured(settings: Settings, users: int, seconds: float) -> Figures:
    """Milliseconds of whole answers, of their stages, and of the exact search and both heads alone; recall."""
    began, sessions = time.perf_counter(), open_sessions(settings)
    sys.setswitchinterval(SWITCH)  # as the API does
    live = Live(sessions, settings, expected_ids(settings), until=time.time())
    recommender = Recommender(sessions, settings, live)
    draw = np.random.default_rng()
    for key in draw.integers(1, users + 1, WARM_UP).tolist():
        recommender.recommend(user_id(key))
    live.start()
    recommender.served.start()  # as the API does
    start = {"ready s": round(time.perf_counter() - began, 1)}
    answers = _answers(recommender, users, seconds, draw)
    recommender.served.stop()
    live.stop()
    start["RSS MB"] = round(psutil.Process().memory_info().rss / 1e6)
    assert live.model is not None
    parts = _parts(recommender, live.model, draw.integers(1, users + 1, SAMPLE).tolist())
    sessions.kw["bind"].dispose()
    return answers | start | parts


def percentiles(milliseconds: list[float]) -> Figures:
    """Median, 95th and 99th percentile."""
    return dict(zip(("p50", "p95", "p99"), np.percentile(milliseconds, (50, 95, 99)).round(2).tolist(), strict=True))


def _answers(recommender: Recommender, users: int, seconds: float, draw: np.random.Generator) -> Figures:
    took: list[float] = []
    stages: dict[str, list[float]] = {}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        name = user_id(int(draw.integers(1, users + 1)))
        started = time.perf_counter()
        with recording() as recorded:
            recommender.recommend(name)
        took.append(1000 * (time.perf_counter() - started))
        for stage, duration in recorded.items():
            stages.setdefault(stage, []).append(1000 * duration)
    medians = {name: round(float(np.median(durations)), 2) for name, durations in stages.items()}
    return {"requests / s": round(1000 * len(took) / sum(took), 1), **percentiles(took), "stages": medians}


def _parts(recommender: Recommender, model: Model, keys: list[int]) -> Figures:
    """The searches of the sources, exactly over everything, and both heads on 500 candidates and on 10."""
    live, now = recommender.live, time.time()
    catalogue = len(live.world.catalogue)
    with recommender.sessions() as session:
        requests = [request_of(session, user_id(key), now, catalogue=catalogue) for key in keys]
    wanted = tastes(model.views, requests)
    exact = {name: _exact(index) for name, index in _indexes(model).items()}
    searches = _median(lambda taste: _search(exact, taste), wanted)
    candidates = _keys(model)[:CANDIDATES]
    with live.lock:
        rows = rank(model, live.reader(), requests[0], candidates).rows
    heads = _median(_heads(model, rows), wanted)
    return {
        "search ms": searches, "heads ms": heads, "candidates": len(candidates),
        "recall@100": _recall(model, exact, requests, wanted), "recommendable": len(live.world.live(now)),
    }  # fmt: skip


def _indexes(model: Model) -> dict[str, VectorIndex]:
    return {"learned": model.views.learned, "content": model.views.content}


def _keys(model: Model) -> Any:
    return np.sort(model.views.learned.keys)


def _exact(index: VectorIndex) -> faiss.IndexFlatIP:
    flat = faiss.IndexFlatIP(index.dim)
    flat.add(np.ascontiguousarray(index.vectors(np.sort(index.keys))[0]))
    return flat


def _queries(taste: Taste) -> dict[str, tuple[str, Floats32]]:
    """What each source asks of which index."""
    asked = {"personal": ("learned", taste.user), "content": ("content", taste.profile)}
    return asked | {"similar": ("content", taste.last)}


def _search(exact: dict[str, faiss.IndexFlatIP], taste: Taste) -> None:
    queries = _queries(taste)
    for source in BY_TASTE:
        index, query = queries[source]
        exact[index].search(query[None], SHARE[source])


def _heads(model: Model, rows: Floats32) -> Callable[[Taste], None]:
    """Both stages on what they read in one answer; the second one's inputs have its own shapes, and no meaning."""
    heads = model.heads
    assert heads is not None
    _, items, lists = widths(model.views.towers.content_space.present)
    shown, listed, asked = torch.zeros(10, items), torch.zeros(1, lists), torch.from_numpy(rows)

    def score(_taste: Taste) -> None:
        with torch.inference_mode():
            heads.pointwise(asked)
            _listwise(heads.listwise, shown, listed)

    return score


def _listwise(head: ListwiseHead, shown: torch.Tensor, listed: torch.Tensor) -> None:
    head(shown, listed, torch.tensor([len(shown)]))


def _median(work: Callable[[Taste], None], wanted: list[Taste]) -> float:
    took = []
    for taste in wanted:
        started = time.perf_counter()
        work(taste)
        took.append(1000 * (time.perf_counter() - started))
    return round(float(np.median(took)), 3)


def _recall(model: Model, exact: dict[str, faiss.IndexFlatIP], requests: list[Request], wanted: list[Taste]) -> float:
    """How many of the exact 100 nearest the served indexes find, over all sources and readers."""
    keys, found, total = _keys(model), 0, 0
    for request, taste in zip(requests, wanted, strict=True):
        if not len(request.history):
            continue
        for index, query in _queries(taste).values():
            best = keys[exact[index].search(query[None], min(NEIGHBOURS, len(keys)))[1][0]]
            served = _indexes(model)[index].search(query[None], len(best))[1][0]
            found, total = found + len(np.intersect1d(best, served)), total + len(best)
    return round(found / max(total, 1), 4)


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = Settings.model_validate_json(sys.stdin.readline())
    print(json.dumps(measured(given, int(sys.argv[1]), float(sys.argv[2]))))
