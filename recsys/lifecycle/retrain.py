"""Retraining with a gate: train on all but the newest slice, compare on it, and promote what is not worse."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from recsys.database import models, stretches
from recsys.database.bulk import one_at_a_time
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders, with_views
from recsys.evaluation.evaluate import Judged, evaluate_shown
from recsys.lifecycle.encode import EncodeReport, encode_new
from recsys.lifecycle.gate import FEWEST_CLICKED_LISTS, Verdict, decide, judged_until, lost_before, noted
from recsys.lifecycle.judging import window_of
from recsys.lifecycle.loading import OtherEncodersError, check_version, load_model
from recsys.lifecycle.train import train
from recsys.lifecycle.versions import FIRST_PROMOTION, make_live
from recsys.pipeline.load import Dataset, load_dataset
from recsys.pipeline.model import Model
from recsys.progress import StageProgress, untold
from recsys.settings import Settings
from recsys.snapshots.snapshot import OtherVersionError

log = logging.getLogger(__name__)

WHO = "retrain"
SLICE = 24 * 3600.0  # seconds; at most a third of the log
ENOUGH = 3 * FEWEST_CLICKED_LISTS // 2  # clicked lists: some are a robot's, or show what cannot be ranked
MEANWHILE = "{live} went live during the training, and this was compared with {rival}"
BY_HAND_MEANWHILE = "it was promoted by hand before it was judged; the gate says: {why}"
NOTHING_NEW = "nothing was trained, since no list was shown that it does not know or was not judged on"
ALL_TO_JUDGE = "nothing was trained, since all lists that it does not know are needed to judge a new version on"
GO_ON = " `recsys rollback` goes back to the version before; `recsys retrain --full` trains without it."
NO_HEAD = "it was trained on too few impressions to predict clicks, or on none with a click"
UNJUDGED = "it is not judged yet, or its retraining ended before it was: `recsys promote` makes it live all the same"
NO_RIVAL = (
    "the live version has no ranking head, cannot be read, or was made with other encoders or another version of "
    "recsys, so there was nothing to compare with"
)


@dataclass(frozen=True)
class Retrained:
    """What came of a retraining."""

    version: str  # the candidate; the live version where nothing was trained
    promoted: bool
    why: str
    metrics: dict[str, Any]
    previous_metrics: dict[str, Any] | None
    trained: bool = True

    @property
    def sentence(self) -> str:
        """The same for people."""
        verb = "was promoted" if self.promoted else "was kept back" if self.trained else "stays live"
        return f"Version {self.version} {verb}: {self.why}."


Finish = Callable[[Session, Retrained], None]


@dataclass(frozen=True)
class _Task:
    """What a retraining sets out from."""

    live: str | None
    split: Timestamp  # where the newest slice begins
    end: Timestamp  # the newest list
    lost: float  # by the live version and those of its chain before it
    warm: bool


def retrain(
    sessions: Sessions,
    settings: Settings,
    *,
    seed: int = 0,
    warm: bool = True,
    report: StageProgress = untold,
    encode: Callable[[], EncodeReport] | None = None,
    finish: Finish = lambda _session, _done: None,
) -> Retrained:
    """Encode what is new, train, evaluate candidate and live version on the newest slice, and promote if not worse.

    Training goes on from the live version, unless ``warm`` is off or that version is no start for it. ``finish`` is
    told what came of it in the transaction that promotes or rejects, and raises where this process may not do so any
    more.

    Raises:
        RecsysError: when the log is too short to be split, or the live version's snapshot is not whole.
    """
    (encode or (lambda: encode_new(sessions, with_views(load_encoders(settings), settings.augment), report)))()
    task = _task(sessions, settings, warm=warm)
    if isinstance(task, Retrained):
        with writing(sessions) as session:
            finish(session, task)
        return task
    start = task.live if warm else None
    candidate = train(
        sessions,
        settings,
        until=task.split,
        seed=seed,
        may_go_live=False,
        kept_back=UNJUDGED,
        start=start,
        report=report,
    )
    judged, previous = _judged(sessions, settings, candidate.version, task, report)
    begun = (candidate.metrics.get("start") or {}).get("version")
    verdict = _verdict(judged, previous, task, settings.promote_margin, chained=begun is not None)
    after, before = (None if one is None else one.summary for one in (judged, previous))
    done = Retrained(candidate.version, verdict.promoted, verdict.why, after or {}, before)
    return _carry_out(sessions, done, verdict, task, finish)


def newest_slice(
    span: tuple[Timestamp, Timestamp] | None, seen: Timestamp | None = None, enough: Timestamp = np.inf
) -> Timestamp:
    """Where the newest slice of the log begins: a day before its end, or two thirds into a short log.

    Where fewer lists are clicked in a day than a comparison needs it reaches further back, to when the first of
    ``enough`` of them was shown. It never reaches into what the live version was trained on (``seen``), which would
    flatter that version; unless that is everything.

    Raises:
        RecsysError: when the log has nothing to hold out.
    """
    if span is None:
        raise RecsysError(
            "There is no impression to judge a new version on: collect some, or use `recsys train` and "
            "`recsys promote`."
        )
    first, last = span
    if last <= first:
        raise RecsysError("The log is too short to hold out its newest part: collect more impressions first.")
    known = first if seen is None or seen >= last else seen
    return max(min(last - SLICE, enough), first + (last - first) * 2 / 3, known)


def _task(sessions: Sessions, settings: Settings, *, warm: bool) -> _Task | Retrained:
    """What to train and on what to judge it, or that there is nothing to do."""
    with sessions() as session:
        live, span = models.live_version(session), stretches.shown_span(session)
        row = None if live is None else models.get_version(session, live)
        judged = 0.0 if live is None else judged_until(models.versions(session), live)
        enough = np.inf if live is None else stretches.clicked_since(session, ENOUGH)  # the first one is not compared
    split = newest_slice(span, None if row is None else row.until, enough)
    assert span is not None
    if row is None:
        return _Task(None, split, span[1], 0.0, warm)
    if warm and _is_as_set(settings, row.version):  # damage is told before the training, not after it
        if max(row.until or 0.0, judged) >= span[1]:
            return Retrained(row.version, False, NOTHING_NEW, {}, None, trained=False)
        if row.until is not None and row.until >= split:
            return Retrained(row.version, False, ALL_TO_JUDGE, {}, None, trained=False)
    return _Task(live, split, span[1], lost_before(row), warm)


def _is_as_set(settings: Settings, version: str) -> bool:
    """Whether a version, which is whole, is what this program would train with these settings."""
    try:
        manifest = check_version(settings, version)
    except (OtherEncodersError, OtherVersionError):
        return False
    except RecsysError as error:
        raise RecsysError(f"{error}{GO_ON}") from error
    return manifest.encoders == expected_ids(settings) and manifest.fusion == settings.fusion


def _judged(
    sessions: Sessions, settings: Settings, version: str, task: _Task, report: StageProgress
) -> tuple[Judged | None, Judged | None]:
    """A candidate and the live version on the newest slice; None for what has no ranking head, or cannot be read."""
    report("evaluation", 0, 2)
    with sessions() as session:
        # once: events that come now would differ between the two
        data = load_dataset(session, expected_ids(settings), robot_limit=settings.robot_clicks_per_hour)
    window = window_of(data, settings, task.split, None)
    model = load_model(sessions, settings, version, data)
    if model.heads is None:
        return None, None
    judged = evaluate_shown(model, window)
    report("evaluation", 1, 2)
    rival = None if task.live is None else _comparable(sessions, settings, task, data)
    previous = None if rival is None else evaluate_shown(rival, window)
    report("evaluation", 2, 2)
    return judged, previous


def _comparable(sessions: Sessions, settings: Settings, task: _Task, data: Dataset) -> Model | None:
    """The live version's model; None when it has no ranking head, or reads what is not made any more."""
    assert task.live is not None
    try:
        model = load_model(sessions, settings, task.live, data)
    except (OtherEncodersError, OtherVersionError):
        return None
    except RecsysError as error:  # its files are gone, or damaged
        if task.warm:
            raise
        log.warning("nothing to compare with: %s", error)
        return None
    return None if model.heads is None else model


def _verdict(judged: Judged | None, previous: Judged | None, task: _Task, margin: float, *, chained: bool) -> Verdict:
    """A candidate that predicts no clicks cannot be judged: it is kept back, unless nothing is live."""
    if task.live is None:
        return Verdict(True, FIRST_PROMOTION)
    if judged is None:
        return Verdict(False, NO_HEAD)
    if previous is None:
        return Verdict(True, NO_RIVAL)
    return decide(judged, previous, margin, task.lost if chained else None)


def _carry_out(sessions: Sessions, done: Retrained, verdict: Verdict, task: _Task, finish: Finish) -> Retrained:
    """Promote or reject, and return what was done: who changed the live version meanwhile has the last word."""
    rival = task.live
    with writing(sessions) as session:
        one_at_a_time(session, "promotions")  # before it is read what is live, and not only when that changes
        live = models.live_version(session)
        if live == done.version:
            done = replace(done, promoted=True, why=BY_HAND_MEANWHILE.format(why=done.why))
        elif done.promoted and live != rival:
            done = replace(done, promoted=False, why=MEANWHILE.format(live=live, rival=rival or "nothing"))
        gate = noted(verdict, rival, task.end) | {"promoted": done.promoted, "why": done.why}
        models.set_metrics(session, done.version, {"gate": gate} | ({"shown": done.metrics} if done.metrics else {}))
        if done.promoted:
            make_live(session, done.version, done.why, who=WHO)
        else:
            models.reject(session, done.version, done.why)
        finish(session, done)
    return done
