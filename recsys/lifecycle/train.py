"""Trains a candidate version from the log."""

from dataclasses import replace

import numpy as np
from sqlalchemy.orm import Session

from recsys.database import stretches, vectors
from recsys.database.session import Sessions
from recsys.domain import Modality, RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders, setting_of, view_id, with_views
from recsys.encoders.device import choose_device, set_threads
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.recording import record_version
from recsys.lifecycle.starting import start_from
from recsys.lifecycle.versions import new_version, rfc3339
from recsys.pipeline.content import Content
from recsys.pipeline.drift import for_people
from recsys.pipeline.load import Dataset, load_content, load_dataset
from recsys.pipeline.model import Model
from recsys.progress import StageProgress, untold
from recsys.settings import Settings
from recsys.training.fit import TrainingSet, fit


def train(
    sessions: Sessions,
    settings: Settings,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    seed: int = 0,
    may_go_live: bool = True,
    kept_back: str | None = None,
    start: str | None = None,
    report: StageProgress = untold,
) -> Model:
    """Train on the log known before ``until`` and write a candidate snapshot.

    It is promoted only when it ``may_go_live`` and nothing is live yet, and is ``kept_back`` from the start with a
    reason where it is still to be judged. With ``RECSYS_AUGMENT`` the views that are missing are encoded first. With
    ``start`` training goes on from that version where it can; the metrics say from which it did, or why not.

    Raises:
        RecsysError: when the log holds nothing to train on, or there are vectors, but of other encoders.
    """
    set_threads(settings)
    if settings.augment:
        encode_new(sessions, with_views(load_encoders(settings), settings.augment), report)
    data = _dataset(sessions, settings, until)
    training = replace(_training_set(data, settings, since, until), views=_views(sessions, settings, data))
    begun, why = start_from(sessions, settings, start, data)
    version = new_version()
    model = fit(
        training,
        version=version,
        seed=seed,
        fusion=settings.fusion,
        device=choose_device(settings.device),
        start=begun,
        report=report,
    )
    if start is not None and begun is None:
        model.metrics["start"] = {**model.metrics["start"], "from_scratch_because": why}
    model = replace(model, metrics={**model.metrics, "robots": data.robots.counts})
    record_version(sessions, settings, model, data, may_go_live=may_go_live, kept_back=kept_back)
    return replace(model, metrics=for_people(model.metrics))


def _dataset(sessions: Sessions, settings: Settings, until: Timestamp | None) -> Dataset:
    with sessions() as session:
        if stretches.time_span(session) is None:
            raise RecsysError("The log is empty: import one with `recsys import`, or send events to the API.")
        encoders = expected_ids(settings)
        _check_encoded(session, encoders)
        end, limit = np.inf if until is None else until, settings.robot_clicks_per_hour
        return load_dataset(session, encoders, until=end, robot_limit=limit)


def _training_set(data: Dataset, settings: Settings, since: Timestamp | None, until: Timestamp | None) -> TrainingSet:
    """The log before ``until``; where that is not given, behind its last event."""
    times = [part.known_at[-1] for part in (data.log.impressions, data.log.clicks) if len(part)]
    if not times:
        if data.robots.users:
            raise RecsysError("Nobody but robots did anything before --until: `recsys robots` lists them.")
        raise RecsysError("There is no event before --until: choose a later one.")
    examples = data.log.impressions if len(data.log.impressions) else data.log.clicks
    if since is not None and since > examples.known_at[-1]:
        raise RecsysError(
            f"There is nothing to train on from --since on: the newest event before --until is of "
            f"{rfc3339(examples.known_at[-1])}, choose an earlier --since."
        )
    begin = -np.inf if since is None else since
    end = float(np.nextafter(max(times), np.inf)) if until is None else until
    return TrainingSet.of(data, settings, expected_ids(settings), since=begin, until=end)


def _views(sessions: Sessions, settings: Settings, data: Dataset) -> tuple[Content, ...]:
    """The augmented vectors of the articles that the log names: no others are met in training."""
    if not settings.augment:
        return ()
    keys = np.unique(np.append(data.log.impressions.items, data.log.clicks.article))
    ids = expected_ids(settings)
    with sessions() as session:
        return tuple(
            load_content(session, {name: view_id(encoder, view) for name, encoder in ids.items()}, keys)
            for view in range(1, settings.augment + 1)
        )


def _check_encoded(session: Session, encoders: dict[Modality, str]) -> None:
    """Refuse to train without the vectors of a modality because they are another encoder's."""
    for modality, encoder in encoders.items():
        made_by = vectors.encoders_of(session, modality)
        waiting = vectors.count_not_encoded(session, modality, encoder)
        if made_by and encoder not in made_by and waiting:
            raise RecsysError(
                f"There are {modality} vectors of {', '.join(sorted(made_by))}, but none of {encoder} yet: run "
                f"`recsys encode`, or restore {setting_of(modality)}."
            )
