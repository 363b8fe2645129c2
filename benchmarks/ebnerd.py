"""Protocols A and A2: click-through rate on an EB-NeRD folder, beside what a newsroom would otherwise run."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys.columns import Floats
from recsys.database.session import Sessions, open_sessions, upgrade
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders
from recsys.evaluation import metrics
from recsys.evaluation.evaluate import RANKING
from recsys.features.examples import Examples
from recsys.features.features import FEATURES
from recsys.features.replay import Replay
from recsys.ingest.importer import import_path
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.train import evaluate, train
from recsys.pipeline.load import load_dataset
from recsys.settings import Settings

HOUR = 3600.0
WEEK = 7 * 24 * HOUR
DEVELOPMENT_SPLIT = 5 * 24 * HOUR  # behind the start of the only week there is
PEERS = {
    "clicks, half-life 8 h": "clicks_8h",
    "smoothed CTR, half-life 2 h": "ctr_2h",
    "co-click with the last 5": "co_click_recent",
    "co-click with the history (user kNN)": "co_click_history",
    "newest first shown": "since_first_shown",
}
LIVE = ("r@10", "r@50", "r@100", "ndcg@10", "sources_r@100", "sources_r@500", "pool_median")

Row = dict[str, Any]


@dataclass(frozen=True)
class Week:
    """An imported folder and where its test window begins."""

    sessions: Sessions
    settings: Settings
    split: Timestamp


def load(folder: Path, home: Path, fusion: str = "gated") -> Week:
    """Import a folder; test on its validation week, or on the end of its training week where that is all there is."""
    settings = Settings(home=home, database_url="", fusion=fusion)
    upgrade(settings)
    sessions = open_sessions(settings)
    import_path(sessions, "ebnerd", folder)
    encode_new(sessions, load_encoders(settings))
    with sessions() as session:
        log = load_dataset(session, {}).log.impressions
    if len(log) == 0:
        raise RecsysError(f"{folder} holds no impression: see data/README.md for the layout.")
    first = np.floor(log.known_at[0] / HOUR) * HOUR
    return Week(sessions, settings, first + (WEEK if log.known_at[-1] >= first + WEEK else DEVELOPMENT_SPLIT))


def rows(week: Week, seeds: int, *, live: bool) -> Iterator[Row]:
    """One row per peer, and one per seed of this project's own training."""
    examples = _replayed(week)
    yield _row("random", examples, np.zeros(len(examples.keys)))
    for name, column in PEERS.items():
        values = examples.features[:, FEATURES.index(column)].astype(np.float64)
        yield _row(name, examples, -values if column.startswith("since") else values)
    for seed in range(seeds):
        yield _own(week, seed, live=live)


def _own(week: Week, seed: int, *, live: bool) -> Row:
    """The product's own commands: train on what lies before the split, evaluate on what follows."""
    started = time.perf_counter()
    model = train(week.sessions, week.settings, until=week.split, seed=seed)
    seconds = time.perf_counter() - started
    summary = evaluate(week.sessions, week.settings, version=model.version, since=week.split).summary
    row = {"name": f"recsys, seed {seed}", **_flat(summary), "seconds_to_train": round(seconds, 1)}
    if live:
        ranked = evaluate(week.sessions, week.settings, version=model.version, since=week.split, live=True).summary
        row |= {f"live_{name}": ranked[name] for name in LIVE}
    return row


def _flat(summary: dict[str, Any]) -> Row:
    kept = ("impressions", *RANKING, "log_loss", "ece", "confidence")
    few = summary["slices"]["clicked_at_most_20_exposures"]
    return {**{name: summary[name] for name in kept}, "auc_few_exposures": few["auc"]}


def _replayed(week: Week) -> Examples:
    with week.sessions() as session:
        limit = week.settings.robot_clicks_per_hour
        data = load_dataset(session, expected_ids(week.settings), robot_limit=limit)
    replay = Replay(data.attributes, data.users, live_hours=week.settings.live_hours)
    return replay.run(data.log, score_from=week.split)


def _row(name: str, examples: Examples, scores: Floats) -> Row:
    figures = metrics.list_metrics(examples.offsets, examples.labels, scores)
    return {"name": name, "impressions": len(examples), **{metric: metrics.mean(figures[metric]) for metric in RANKING}}
