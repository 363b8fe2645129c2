"""The made world as one training."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import made_world
import numpy as np

from recsys.columns import NONE, EventLog, between
from recsys.encoders import expected_ids
from recsys.pipeline.load import load_dataset
from recsys.training.fit import TrainingSet


def made_week(home: Path, until: float) -> Iterator[TrainingSet]:
    """The made world's log before a time, with few dimensions for speed."""
    settings = made_world.Settings(home=home, _env_file=None)
    sessions, encoders = made_world.install(settings), expected_ids(settings)
    with sessions() as session:
        data = load_dataset(session, encoders, until=until)
    few = {name: np.ascontiguousarray(v[:, :24]) for name, v in data.content.vectors.items()}
    narrow = replace(data, content=replace(data.content, vectors=few))
    yield TrainingSet.of(narrow, settings, encoders, until=until)
    sessions.kw["bind"].dispose()


def delayed(data: TrainingSet, seconds: float) -> TrainingSet:
    """The same week, but every click in a list becomes known so much later, if at all before the end."""
    clicks = data.log.clicks
    known_at = clicks.known_at + seconds * (clicks.impression != NONE)
    order = np.argsort(known_at, kind="stable")
    later = replace(clicks.take(order), known_at=known_at[order])
    return replace(data, log=between(EventLog(data.log.impressions, later), -np.inf, data.until))
