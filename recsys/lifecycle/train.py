"""Trains a candidate version from the log, writes its snapshot, and finds, loads and promotes versions."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from recsys.columns import Ints
from recsys.database import articles, events, models
from recsys.database.session import Sessions, writing
from recsys.database.tables import ModelVersionRow
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids
from recsys.evaluation.evaluate import Judged, Progress, Window, evaluate_shown
from recsys.evaluation.live import evaluate_live
from recsys.pipeline.load import Dataset, load_dataset
from recsys.pipeline.model import Model
from recsys.settings import Settings
from recsys.snapshots.snapshot import read_snapshot, write_snapshot
from recsys.training.fit import Report, TrainingSet, fit

FIRST_PROMOTION = "nothing was live yet"


class OtherEncodersError(RecsysError):
    """A model and the settings name different encoders."""


def train(
    sessions: Sessions,
    settings: Settings,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    seed: int = 0,
    report: Report = lambda _stage, _done, _total: None,
) -> Model:
    """Train on the log known before ``until`` and write a candidate snapshot.

    It is promoted only when nothing is live yet.

    Raises:
        RecsysError: when the log holds nothing to train on.
    """
    set_threads(settings)
    data = _dataset(sessions, settings, until)
    training = _training_set(data, settings, since, until)
    version = new_version(sessions)
    model = fit(training, version=version, seed=seed, report=report)
    _write(sessions, settings, model, data)
    with writing(sessions) as session:
        if models.live_version(session) is None:
            models.promote(session, version, time.time(), FIRST_PROMOTION)
    return model


def evaluate(
    sessions: Sessions,
    settings: Settings,
    *,
    version: str | None = None,
    since: Timestamp,
    until: Timestamp | None = None,
    live: bool = False,
    progress: Progress | None = None,
) -> Judged:
    """Evaluate a version (the newest unless named) on a window of the log, and record its figures.

    Raises:
        RecsysError: when the window begins before the model's training ended, since that would flatter it.
    """
    set_threads(settings)
    with sessions() as session:
        version = models.get_version(session, version).version
        data = load_dataset(session, expected_ids(settings))
    model = load_model(sessions, settings, version, data)
    if model.until is not None and since < model.until:
        raise RecsysError(
            f"Model {version} was trained on the log up to {rfc3339(model.until)}: evaluate it with --since from then."
        )
    window = window_of(data, settings, since, until)
    judged = (evaluate_live if live else evaluate_shown)(model, window, progress=progress)
    with writing(sessions) as session:
        models.set_metrics(session, version, {"live" if live else "shown": judged.summary})
    return judged


def promote(sessions: Sessions, settings: Settings, version: str) -> None:
    """Make a version live, after checking that its snapshot is whole and fits the settings."""
    with sessions() as session:
        models.get_version(session, version)
        check_encoders(
            read_snapshot(settings.snapshots / version, lambda ids: articles.keys_of(session, ids)), settings
        )
    with writing(sessions) as session:
        models.promote(session, version, time.time(), "promoted by hand")


def describe(row: ModelVersionRow) -> dict[str, Any]:
    """A version for people and for JSON."""
    return {
        "version": row.version,
        "created_at": rfc3339(row.created_at),
        "since": None if row.since is None else rfc3339(row.since),
        "until": None if row.until is None else rfc3339(row.until),
        "status": row.status,
        "reason": row.reason,
        "metrics": row.metrics,
    }


def load_model(sessions: Sessions, settings: Settings, version: str, data: Dataset) -> Model:
    """Read a version's snapshot, and index the articles as they are now: some came, and some changed, after it.

    Raises:
        RecsysError: when the snapshot is damaged, or made with other encoders than the settings name.
    """
    with sessions() as session:
        model = read_snapshot(settings.snapshots / version, lambda ids: articles.keys_of(session, ids))
    check_encoders(model, settings)
    model.views.put(data.content, indexable(data))
    return model


def check_encoders(model: Model, settings: Settings) -> None:
    """Refuse a model whose vectors come from other encoders than the settings name.

    Raises:
        OtherEncodersError: when they do.
    """
    expected = expected_ids(settings)
    if model.encoders != expected:
        raise OtherEncodersError(
            f"Model {model.version} was trained with {sorted(model.encoders.values())}, the settings name "
            f"{sorted(expected.values())}: restore RECSYS_TITLE_ENCODER and RECSYS_IMAGE_ENCODER, or train again."
        )


def window_of(data: Dataset, settings: Settings, since: Timestamp, until: Timestamp | None) -> Window:
    """A stretch of the data to evaluate on."""
    end = np.inf if until is None else until
    return Window(data.log, data.catalogue, data.attributes, data.users, since, end, settings.live_hours)


def indexable(data: Dataset) -> Ints:
    """Keys of the articles that are in the catalogue."""
    present: Ints = np.flatnonzero(data.catalogue.expires_at > -np.inf)
    return present


def new_version(sessions: Sessions) -> str:
    """A name for a version, by the time of day; versions sort by it."""
    while True:
        version = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        with sessions() as session:
            if version not in {row.version for row in models.versions(session)}:
                return version
        time.sleep(0.2)


def set_threads(settings: Settings) -> None:
    """Give torch the number of threads that the settings name."""
    if settings.threads:
        torch.set_num_threads(settings.threads)


def rfc3339(at: Timestamp) -> str:
    """A time for people and for JSON."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _dataset(sessions: Sessions, settings: Settings, until: Timestamp | None) -> Dataset:
    with sessions() as session:
        if not any(events.counts(session).values()):
            raise RecsysError("The log is empty: import one with `recsys import`, or send events to the API.")
        return load_dataset(session, expected_ids(settings), until=np.inf if until is None else until)


def _training_set(data: Dataset, settings: Settings, since: Timestamp | None, until: Timestamp | None) -> TrainingSet:
    """The log before ``until``; where that is not given, behind its last event."""
    times = [part.known_at[-1] for part in (data.log.impressions, data.log.clicks) if len(part)]
    if not times:
        raise RecsysError("There is no event before --until: choose a later one.")
    return TrainingSet(
        log=data.log,
        attributes=data.attributes,
        content=data.content,
        users=data.users,
        indexed=indexable(data),
        encoders=expected_ids(settings),
        since=-np.inf if since is None else since,
        until=float(np.nextafter(max(times), np.inf)) if until is None else until,
        live_hours=settings.live_hours,
    )


def _write(sessions: Sessions, settings: Settings, model: Model, data: Dataset) -> None:
    ids = dict(enumerate(data.catalogue.article_ids))
    first = float(data.log.impressions.known_at[0]) if len(data.log.impressions) else None
    model = replace(model, since=model.since if model.since and np.isfinite(model.since) else first)
    write_snapshot(model, settings.snapshots / model.version, ids)
    metrics: dict[str, Any] = {"training": model.metrics}
    with writing(sessions) as session:
        models.add_version(
            session, version=model.version, at=time.time(), since=model.since, until=model.until, metrics=metrics
        )
