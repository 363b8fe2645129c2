"""Keeps a trained version: its snapshot's folder and its row, both or neither."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from recsys.database import models
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError
from recsys.lifecycle.unrecorded import clear_unrecorded, marked, unmark
from recsys.lifecycle.versions import FIRST_PROMOTION, make_live
from recsys.pipeline.drift import for_people
from recsys.pipeline.load import CATALOGUE, Dataset
from recsys.pipeline.model import Model
from recsys.settings import Settings
from recsys.snapshots.snapshot import write_snapshot

TRAINING = "train"  # who promotes the first version


def record_version(
    sessions: Sessions,
    settings: Settings,
    model: Model,
    data: Dataset,
    *,
    may_go_live: bool,
    kept_back: str | None = None,
) -> None:
    """Write the snapshot of a model that was trained on these data, and then its row; see ``add_row``.

    Raises:
        RecsysError: when the disk or the database does not take it; neither folder nor row is left then.
    """
    ids = dict(enumerate(data.catalogue.article_ids))
    first = float(data.log.impressions.known_at[0]) if len(data.log.impressions) else None
    model = replace(model, since=model.since if model.since and np.isfinite(model.since) else first)
    clear_unrecorded(sessions, settings)
    with _marked(settings, model.version):
        known = {**model.metrics, CATALOGUE: list(data.change)}  # what changed since is all that a start has to index
        write_snapshot(replace(model, metrics=known), settings.snapshots / model.version, ids)
        try:
            add_row(sessions, model, may_go_live=may_go_live, kept_back=kept_back)
        except BaseException:
            _forget(sessions, settings, model.version)
            raise


def add_row(sessions: Sessions, model: Model, *, may_go_live: bool, kept_back: str | None = None) -> None:
    """List a version whose folder is there; where it may, it goes live if nothing is yet.

    One that somebody is about to judge is ``kept_back`` with a reason, which stays if nobody gets to it.
    """
    metrics: dict[str, Any] = {"training": for_people(model.metrics)}
    with writing(sessions) as session:
        models.add_version(
            session, version=model.version, at=time.time(), since=model.since, until=model.until, metrics=metrics
        )
        session.flush()
        if kept_back is not None:
            models.reject(session, model.version, kept_back)
        elif may_go_live and models.live_version(session) is None:
            make_live(session, model.version, FIRST_PROMOTION, who=TRAINING)


@contextmanager
def _marked(settings: Settings, version: str) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(marked(settings, version))
        except OSError as error:
            raise RecsysError(
                f"Version {version} could not be written to {settings.snapshots} ({error.strerror}): see that there is "
                f"room and that you may write there, then train again."
            ) from error
        yield


def _forget(sessions: Sessions, settings: Settings, version: str) -> None:
    """Remove a snapshot that did not come into the database, where that can be told."""
    with suppress(SQLAlchemyError), sessions() as session:
        if version not in {row.version for row in models.versions(session)}:
            shutil.rmtree(settings.snapshots / version, ignore_errors=True)
        unmark(settings, version)
