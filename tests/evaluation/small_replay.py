"""A small fixed replay whose quality is watched: five days of the bundled sample to train on, and the day after them.

``python tests/evaluation/small_replay.py`` prints its figures, for ``RECORDED`` in ``test_accuracy_regression.py``.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recsys.columns import EventLog, between
from recsys.database.session import open_sessions, upgrade
from recsys.encoders import expected_ids, load_encoders
from recsys.evaluation.evaluate import evaluate_shown
from recsys.evaluation.live import evaluate_live
from recsys.ingest.importer import import_path
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.judging import window_of
from recsys.pipeline.load import Dataset, load_dataset
from recsys.settings import Settings, bundled
from recsys.training.fit import TrainingSet, fit

DAY = 86400.0
SPLIT = 1773878400.0  # 2026-03-19T00:00Z
SINCE, UNTIL = SPLIT - 5 * DAY, SPLIT + DAY
HALF_A_DAY = 43200.0  # of the test day, for the towers, which are asked list by list


@dataclass(frozen=True)
class SmallReplay:
    """The data, and the settings that it is trained and judged with."""

    settings: Settings
    data: Dataset

    def figures(self, log: EventLog | None = None, seed: int = 0) -> dict[str, float]:
        """Train, on ``log`` where that is given, and judge what came of it on the log as it is."""
        known = replace(self.data, log=between(self.data.log if log is None else log, -np.inf, SPLIT))
        model = fit(TrainingSet.of(known, self.settings, {}, until=SPLIT), version="regression", seed=seed)
        window = window_of(self.data, self.settings, SPLIT, None)
        shown = evaluate_shown(model, window).summary
        towers = evaluate_live(replace(model, heads=None), replace(window, until=SPLIT + HALF_A_DAY)).summary
        return {"ndcg@10": shown["ndcg@10"], "log_loss": shown["log_loss"], "towers_r@10": towers["r@10"]}


@contextmanager
def small_replay(home: Path) -> Iterator[SmallReplay]:
    """Import and encode the days, titles only: pictures would take half of the time."""
    settings = Settings(home=home, database_url="", image_encoder="", _env_file=None)
    upgrade(settings)
    sessions = open_sessions(settings)
    import_path(sessions, "table", bundled("sample"), since=SINCE, until=UNTIL)
    encode_new(sessions, load_encoders(settings))
    with sessions() as session:
        data = load_dataset(session, expected_ids(settings))
    yield SmallReplay(settings, data)
    sessions.kw["bind"].dispose()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, small_replay(Path(folder)) as replay:
        for number in range(3):
            sys.stdout.write(f"seed {number}: {replay.figures(seed=number)}\n")
