"""Retraining with a gate: train on all but the newest slice, compare on it, and promote what is not worse."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.database import events, models
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders
from recsys.evaluation.bootstrap import paired_bootstrap
from recsys.evaluation.evaluate import Judged, evaluate_shown
from recsys.lifecycle.encode import EncodeReport, encode_new
from recsys.lifecycle.train import load_model, train, window_of
from recsys.pipeline.load import load_dataset
from recsys.settings import Settings
from recsys.training.fit import Report

GATE = "ndcg@10"
FEWEST_CLICKED_LISTS = 100  # on fewer the comparison says nothing
SLICE = 24 * 3600.0  # seconds; at most a third of the log


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
    report: Report = lambda _stage, _done, _total: None,
    encode: Callable[[], EncodeReport] | None = None,
) -> Retrained:
    """Encode what is new, train, evaluate candidate and live version on the newest slice, and promote if not worse.

    Raises:
        RecsysError: when the log is too short to be split.
    """
    (encode or (lambda: encode_new(sessions, load_encoders(settings))))()
    with sessions() as session:
        live = models.live_version(session)
        seen = None if live is None else models.get_version(session, live).until
        split = newest_slice(events.shown_span(session), seen)
    candidate = train(sessions, settings, until=split, seed=seed, report=report).version
    judged = _judge(sessions, settings, candidate, split)
    previous = None if live is None else _judge(sessions, settings, live, split)
    promoted, why = decide(judged, previous, settings.promote_margin)
    _carry_out(sessions, candidate, judged, promoted=promoted, why=why)
    return Retrained(candidate, promoted, why, judged.summary, None if previous is None else previous.summary)


def newest_slice(span: tuple[Timestamp, Timestamp] | None, seen: Timestamp | None = None) -> Timestamp:
    """Where the newest slice of the log begins: a day before its end, or two thirds into a short log.

    It never reaches back into what the live version was trained on (``seen``), which would flatter that version.

    Raises:
        RecsysError: when that leaves nothing.
    """
    if span is None or span[1] <= span[0]:
        raise RecsysError("The log is too short to hold out its newest part: collect more impressions first.")
    first, last = span
    if seen is not None and seen > last:
        raise RecsysError("The live version was trained on the whole log: collect new impressions before retraining.")
    return max(last - SLICE, first + (last - first) * 2 / 3, seen or first)


def decide(candidate: Judged, live: Judged | None, margin: float) -> tuple[bool, str]:
    """Whether a candidate goes live, and why, from both models' figures on the same lists."""
    clicked = int(np.isfinite(candidate.figures[GATE]).sum())
    if live is None:
        return True, "nothing was live yet"
    if clicked < FEWEST_CLICKED_LISTS:
        return False, f"only {clicked} clicked lists to compare on, {FEWEST_CLICKED_LISTS} are needed"
    gain, low, high = paired_bootstrap(candidate.figures[GATE], live.figures[GATE], candidate.users)
    change = f"{GATE} changed by {gain:+.4f} ({low:+.4f} to {high:+.4f}) on {clicked} clicked lists of the newest slice"
    if low < -margin:
        return False, f"{change}: it may be worse by more than the margin of {margin}"
    return True, f"{change}: not worse by more than the margin of {margin}"


def _judge(sessions: Sessions, settings: Settings, version: str, since: Timestamp) -> Judged:
    with sessions() as session:
        data = load_dataset(session, expected_ids(settings))
    return evaluate_shown(load_model(sessions, settings, version, data), window_of(data, settings, since, None))


def _carry_out(sessions: Sessions, version: str, judged: Judged, *, promoted: bool, why: str) -> None:
    with writing(sessions) as session:
        models.set_metrics(session, version, {"shown": judged.summary})
        if promoted:
            models.promote(session, version, time.time(), why)
        else:
            models.reject(session, version, why)
