"""Trains a candidate version from the log, writes its snapshot, and finds, loads and promotes versions."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from recsys.columns import Ints
from recsys.database import articles, events, models, vectors
from recsys.database.session import Sessions, writing
from recsys.domain import Modality, RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders, setting_of, view_id, with_views
from recsys.encoders.device import choose_device
from recsys.evaluation.evaluate import Judged, Progress, Window, evaluate_shown
from recsys.evaluation.live import evaluate_live
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.unrecorded import clear_unrecorded, marked, unmark
from recsys.lifecycle.versions import COMMAND, make_live, new_version, rfc3339
from recsys.pipeline.content import Content, changed_encoders
from recsys.pipeline.drift import for_people
from recsys.pipeline.load import CATALOGUE, Dataset, load_content, load_dataset
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import Rules
from recsys.settings import Settings
from recsys.snapshots.snapshot import OtherVersionError, read_snapshot, write_snapshot
from recsys.training.fit import Report, TrainingSet, fit
from recsys.training.warm import Start

FIRST_PROMOTION = "nothing was live yet"
TRAINING = "train"  # who promotes the first version
ANSWER = 10  # articles in the lists that an evaluation composes


class OtherEncodersError(RecsysError):
    """A model and the settings name different encoders."""


def train(
    sessions: Sessions,
    settings: Settings,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    seed: int = 0,
    may_go_live: bool = True,
    start: str | None = None,
    report: Report = lambda _stage, _done, _total: None,
) -> Model:
    """Train on the log known before ``until`` and write a candidate snapshot.

    It is promoted only when it ``may_go_live`` and nothing is live yet. With ``RECSYS_AUGMENT`` the views that are
    missing are encoded first. With ``start`` training goes on from that version where it can; the metrics say from
    which it did, or why not.

    Raises:
        RecsysError: when the log holds nothing to train on, or there are vectors, but of other encoders.
    """
    set_threads(settings)
    if settings.augment:
        encode_new(sessions, with_views(load_encoders(settings), settings.augment), report)
    data = _dataset(sessions, settings, until)
    training = replace(_training_set(data, settings, since, until), views=_views(sessions, settings, data))
    begun, why = _begun(sessions, settings, start, data)
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
    _write(sessions, settings, model, data, may_go_live)
    return replace(model, metrics=for_people(model.metrics))


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
        end = np.inf if until is None else until  # who becomes a robot later was none yet
        data = load_dataset(session, expected_ids(settings), until=end, robot_limit=settings.robot_clicks_per_hour)
    model = load_model(sessions, settings, version, data)
    if model.until is not None and since < model.until:
        raise RecsysError(
            f"Model {version} was trained on the log up to {rfc3339(model.until)}: evaluate it with --since from then."
        )
    window = window_of(data, settings, since, until)
    judged = (evaluate_live if live else evaluate_shown)(model, window, progress=progress)
    judged = replace(judged, summary={**judged.summary, "robots": data.robots.counts})
    with writing(sessions) as session:
        models.set_metrics(session, version, {"live" if live else "shown": judged.summary})
    return judged


def promote(sessions: Sessions, settings: Settings, version: str, *, who: str = COMMAND) -> None:
    """Make a version live, after checking that its snapshot is whole and fits the settings."""
    with sessions() as session:
        models.get_version(session, version)
        check_encoders(
            read_snapshot(settings.snapshots / version, lambda ids: articles.keys_of(session, ids)), settings
        )
    with writing(sessions) as session:
        make_live(session, version, "promoted by hand", who=who)


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
    """Refuse a model whose vectors are not made any more, since the settings name other encoders.

    Encoders that the settings merely add do it no harm: it goes on without that modality until the next training.

    Raises:
        OtherEncodersError: when the encoder of a modality that the model reads was changed or taken away.
    """
    expected = expected_ids(settings)
    changed = changed_encoders(model.encoders, expected)
    if changed:
        raise OtherEncodersError(
            f"Model {model.version} was trained with {', '.join(model.encoders[name] for name in changed)}, the "
            f"settings name {', '.join(expected.get(name, f'none for the {name}') for name in changed)}: "
            f"restore {' and '.join(setting_of(name) for name in changed)}, or train again."
        )


def window_of(data: Dataset, settings: Settings, since: Timestamp, until: Timestamp | None) -> Window:
    """A stretch of the data to evaluate on."""
    end = np.inf if until is None else until
    rules = Rules(ANSWER, settings.diversity, settings.section_cap, settings.tired_after)
    return Window(data.log, data.catalogue, data.attributes, data.users, since, end, settings.live_hours, rules)


def indexable(data: Dataset) -> Ints:
    """Keys of the articles that are in the catalogue."""
    present: Ints = np.flatnonzero(data.catalogue.expires_at > -np.inf)
    return present


def set_threads(settings: Settings) -> None:
    """Give torch the number of threads that the settings name."""
    if settings.threads:
        torch.set_num_threads(settings.threads)


def _dataset(sessions: Sessions, settings: Settings, until: Timestamp | None) -> Dataset:
    with sessions() as session:
        if not any(events.counts(session).values()):
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


def _begun(
    sessions: Sessions, settings: Settings, version: str | None, data: Dataset
) -> tuple[Start | None, str | None]:
    """The version to go on from with today's articles in its indexes, or why it cannot be read as one of today."""
    if version is None:
        return None, None
    try:
        model = load_model(sessions, settings, version, data)
    except (OtherEncodersError, OtherVersionError) as error:
        return None, str(error)
    before = (model.metrics.get("start") or {}).get("version")
    with suppress(RecsysError):  # it is of use, not needed, and its folder may have been deleted
        return Start(model, None if before is None else load_model(sessions, settings, before, data)), None
    return Start(model), None


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


def _write(sessions: Sessions, settings: Settings, model: Model, data: Dataset, may_go_live: bool) -> None:
    ids = dict(enumerate(data.catalogue.article_ids))
    first = float(data.log.impressions.known_at[0]) if len(data.log.impressions) else None
    model = replace(model, since=model.since if model.since and np.isfinite(model.since) else first)
    clear_unrecorded(sessions, settings)
    with _marked(settings, model.version):
        known = {**model.metrics, CATALOGUE: list(data.change)}  # what changed since is all that a start has to index
        write_snapshot(replace(model, metrics=known), settings.snapshots / model.version, ids)
        try:
            _record(sessions, model, may_go_live)
        except BaseException:
            _forget(sessions, settings, model.version)
            raise


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


def _record(sessions: Sessions, model: Model, may_go_live: bool) -> None:
    metrics: dict[str, Any] = {"training": for_people(model.metrics)}
    with writing(sessions) as session:
        models.add_version(
            session, version=model.version, at=time.time(), since=model.since, until=model.until, metrics=metrics
        )
        session.flush()
        if may_go_live and models.live_version(session) is None:
            make_live(session, model.version, FIRST_PROMOTION, who=TRAINING)


def _forget(sessions: Sessions, settings: Settings, version: str) -> None:
    """Remove a snapshot that did not come into the database, where that can be told."""
    with suppress(SQLAlchemyError), sessions() as session:
        if version not in {row.version for row in models.versions(session)}:
            shutil.rmtree(settings.snapshots / version, ignore_errors=True)
        unmark(settings, version)


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
