"""Retraining with a gate: train on all but the newest slice, compare on it, and promote what is not worse."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from recsys.database import events, models
from recsys.database.bulk import one_at_a_time
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders, with_views
from recsys.evaluation.bootstrap import paired_bootstrap
from recsys.evaluation.evaluate import Judged, evaluate_shown
from recsys.lifecycle.encode import EncodeReport, encode_new
from recsys.lifecycle.train import FIRST_PROMOTION, OtherEncodersError, load_model, train, window_of
from recsys.lifecycle.versions import make_live
from recsys.pipeline.load import Dataset, load_dataset
from recsys.pipeline.model import Model
from recsys.settings import Settings
from recsys.snapshots.manifest import read_manifest
from recsys.snapshots.snapshot import OtherVersionError
from recsys.training.fit import Report

WHO = "retrain"
GATE = "ndcg@10"
FEWEST_CLICKED_LISTS = 100  # on fewer the comparison says nothing
SLICE = 24 * 3600.0  # seconds; at most a third of the log
MEANWHILE = "{live} went live during the training, and this was compared with {rival}"
NO_HEAD = "it was trained on too few impressions to predict clicks, or on none with a click"
NO_RIVAL = (
    "the live version has no ranking head, or was made with other encoders or another version of recsys, so there was "
    "nothing to compare with"
)


@dataclass(frozen=True)
class Retrained:
    """What came of a retraining."""

    version: str
    promoted: bool
    why: str
    metrics: dict[str, Any]
    previous_metrics: dict[str, Any] | None


def retrain(
    sessions: Sessions,
    settings: Settings,
    *,
    seed: int = 0,
    warm: bool = True,
    report: Report = lambda _stage, _done, _total: None,
    encode: Callable[[], EncodeReport] | None = None,
    guard: Callable[[Session], None] = lambda _session: None,
) -> Retrained:
    """Encode what is new, train, evaluate candidate and live version on the newest slice, and promote if not worse.

    Training goes on from the live version, unless ``warm`` is off or that version is no start for it. ``guard`` is
    asked in the transaction that promotes or rejects, and raises where this process may not do so any more.

    Raises:
        RecsysError: when the log is too short to be split, or the live version's snapshot is not whole.
    """
    (encode or (lambda: encode_new(sessions, with_views(load_encoders(settings), settings.augment), report)))()
    with sessions() as session:
        live = models.live_version(session)
        seen = None if live is None else models.get_version(session, live).until
        split = newest_slice(events.shown_span(session), seen)
    if live is not None:
        read_manifest(settings.snapshots / live)  # damage is told before the training, not after it
    start = live if warm else None
    candidate = train(sessions, settings, until=split, seed=seed, start=start, report=report).version
    with sessions() as session:
        # once: events that come now would differ between the two
        data = load_dataset(session, expected_ids(settings), robot_limit=settings.robot_clicks_per_hour)
    window = window_of(data, settings, split, None)
    report("evaluation", 0, 2)
    model = load_model(sessions, settings, candidate, data)
    if model.heads is None:
        return _without_head(sessions, candidate, live, guard)
    judged = evaluate_shown(model, window)
    report("evaluation", 1, 2)
    rival = None if live is None else _comparable(sessions, settings, live, data)
    previous = None if rival is None else evaluate_shown(rival, window)
    report("evaluation", 2, 2)
    if live is not None and previous is None:
        promoted, why = True, NO_RIVAL
    else:
        promoted, why = decide(judged, previous, settings.promote_margin)
    promoted, why = _carry_out(sessions, candidate, live, judged, guard, promoted=promoted, why=why)
    return Retrained(candidate, promoted, why, judged.summary, None if previous is None else previous.summary)


def _without_head(sessions: Sessions, candidate: str, live: str | None, guard: Callable[[Session], None]) -> Retrained:
    """A candidate that predicts no clicks cannot be judged: it is kept back, unless it went live for want of any."""
    if live is None:
        return Retrained(candidate, True, FIRST_PROMOTION, {}, None)
    _carry_out(sessions, candidate, live, None, guard, promoted=False, why=NO_HEAD)
    return Retrained(candidate, False, NO_HEAD, {}, None)


def newest_slice(span: tuple[Timestamp, Timestamp] | None, seen: Timestamp | None = None) -> Timestamp:
    """Where the newest slice of the log begins: a day before its end, or two thirds into a short log.

    It never reaches back into what the live version was trained on (``seen``), which would flatter that version.

    Raises:
        RecsysError: when that leaves nothing.
    """
    if span is None:
        raise RecsysError(
            "There is no impression to judge a new version on: collect some, or use `recsys train` and "
            "`recsys promote`."
        )
    if span[1] <= span[0]:
        raise RecsysError("The log is too short to hold out its newest part: collect more impressions first.")
    first, last = span
    if seen is not None and seen > last:
        raise RecsysError("The live version was trained on the whole log: collect new impressions before retraining.")
    return max(last - SLICE, first + (last - first) * 2 / 3, seen or first)


def decide(candidate: Judged, live: Judged | None, margin: float) -> tuple[bool, str]:
    """Whether a candidate goes live, and why, from both models' figures on the same lists.

    It is kept back when it lost more than the margin, or when it certainly lost something. To ask for certainty that
    it lost nothing would keep back nearly every candidate of a small site, whose days are too short to tell.
    """
    clicked = int(np.isfinite(candidate.figures[GATE]).sum())
    if live is None:
        return True, FIRST_PROMOTION
    if clicked < FEWEST_CLICKED_LISTS:
        return False, f"only {clicked} clicked lists to compare on, {FEWEST_CLICKED_LISTS} are needed"
    if len(np.unique(candidate.users[np.isfinite(candidate.figures[GATE])])) < 2:
        return False, "only one reader to compare on, which says nothing of the others"
    gain, low, high = paired_bootstrap(candidate.figures[GATE], live.figures[GATE], candidate.users)
    change = f"{GATE} changed by {gain:+.4f} ({low:+.4f} to {high:+.4f}) on {clicked} clicked lists of the newest slice"
    if gain < -margin or high < 0:
        return False, f"{change}: it is worse, the margin is {margin}"
    return True, f"{change}: not worse, within the margin of {margin}"


def _comparable(sessions: Sessions, settings: Settings, version: str, data: Dataset) -> Model | None:
    """The version's model; None when it has no ranking head, or reads what is not made any more."""
    try:
        model = load_model(sessions, settings, version, data)
    except (OtherEncodersError, OtherVersionError):
        return None
    return None if model.heads is None else model


def _carry_out(
    sessions: Sessions,
    version: str,
    rival: str | None,
    judged: Judged | None,
    guard: Callable[[Session], None],
    *,
    promoted: bool,
    why: str,
) -> tuple[bool, str]:
    """Promote or reject, and return what was done: who changed the live version meanwhile has the last word."""
    with writing(sessions) as session:
        guard(session)
        one_at_a_time(session, "promotions")  # before it is read what is live, and not only when that changes
        live = models.live_version(session)
        if promoted and live not in (rival, version):
            promoted, why = False, MEANWHILE.format(live=live, rival=rival)
        if judged is not None:
            models.set_metrics(session, version, {"shown": judged.summary})
        if promoted:
            make_live(session, version, why, who=WHO)
        else:
            models.reject(session, version, why)
    return promoted, why
