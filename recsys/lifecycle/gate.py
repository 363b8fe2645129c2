"""The gate: whether a candidate may go live, from its figures and the live version's on the same lists.

Versions that go on from one another make a chain, which begins with one that was trained from scratch. Their losses
add up to at most the margin; a training from scratch begins anew.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsys.database.tables import ModelVersionRow
from recsys.domain import Timestamp
from recsys.evaluation.bootstrap import paired_bootstrap
from recsys.evaluation.evaluate import FIRST_STAGE, Judged

GATE = "ndcg@10"
FEWEST_CLICKED_LISTS = 100  # on fewer the comparison says nothing


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a candidate."""

    promoted: bool
    why: str
    change: float | None = None  # of GATE against the live version; None where they were not compared
    lost: float = 0.0  # by it and the versions of its chain before it

    @property
    def worse(self) -> bool:
        """Whether it was compared, and found too bad."""
        return self.change is not None and not self.promoted


def decide(candidate: Judged, live: Judged, margin: float, lost: float | None = None) -> Verdict:
    """Whether a candidate goes live, and why, from both models' figures on the same lists.

    It is kept back when it lost more than the margin, or when it certainly lost something; and when the first stage of
    the head, which orders answers, did both. To ask for certainty that it lost nothing would keep back nearly every
    candidate of a small site, whose days are too short to tell. One that goes on from a chain whose versions ``lost``
    something already (None: it was trained from scratch) has no more than the rest of the margin, so that many small
    losses are not a great one; losses of the first stage are not added up.
    """
    clicked = int(np.isfinite(candidate.figures[GATE]).sum())
    if clicked < FEWEST_CLICKED_LISTS:
        why = f"only {clicked} clicked lists to compare on, {FEWEST_CLICKED_LISTS} are needed"
        return Verdict(False, why, lost=lost or 0.0)
    if len(np.unique(candidate.users[np.isfinite(candidate.figures[GATE])])) < 2:
        return Verdict(False, "only one reader to compare on, which says nothing of the others", lost=lost or 0.0)
    gain, low, high = paired_bootstrap(candidate.figures[GATE], live.figures[GATE], candidate.users)
    change = f"{GATE} changed by {gain:+.4f} ({low:+.4f} to {high:+.4f}) on {clicked} clicked lists of the newest slice"
    total = 0.0 if lost is None else lost + max(0.0, -gain)
    if gain < -margin or high < 0:
        return Verdict(False, f"{change}: it is worse, the margin is {margin}", gain, total)
    order, _, most = paired_bootstrap(candidate.figures[FIRST_STAGE], live.figures[FIRST_STAGE], candidate.users)
    if order < -margin and most < 0:
        why = f"but the stage that orders answers lost {-order:.4f}, the margin is {margin}"
        return Verdict(False, f"{change}, {why}", gain, total)
    if gain < 0 and total > margin:
        why = f"with those that it goes on from it lost {total:.4f}, the margin is {margin}; next is one from scratch"
        return Verdict(False, f"{change}: {why}", gain, total)
    return Verdict(True, f"{change}: not worse, within the margin of {margin}", gain, total)


def noted(verdict: Verdict, live: str | None, end: Timestamp) -> dict[str, Any]:
    """What is kept of a verdict on the lists up to the one at ``end``, for the retrainings that come."""
    return {**asdict(verdict), "worse": verdict.worse, "against": live, "until": end}


def lost_before(row: ModelVersionRow) -> float:
    """What a version and those of its chain before it lost."""
    return float(_kept(row).get("lost", 0.0))


def judged_until(rows: Iterable[ModelVersionRow], version: str) -> Timestamp:
    """When the newest list came that a version was judged on, itself or as the rival of one from scratch; 0 for never.

    One that went on from it and was kept back does not count: the one from scratch is still to be tried.
    """
    judged = (row for row in rows if row.version == version or _is_rival_from_scratch(row, version))
    return max((float(_kept(row).get("until", 0.0)) for row in judged), default=0.0)


def kept_back_after(rows: Iterable[ModelVersionRow], version: str) -> str | None:
    """A version that went on from this one and was kept back as worse: the next one would hardly do better."""
    for row in rows:
        if _start(row) == version and _kept(row).get("worse"):
            return row.version
    return None


def _is_rival_from_scratch(row: ModelVersionRow, version: str) -> bool:
    return _kept(row).get("against") == version and _start(row) is None


def _start(row: ModelVersionRow) -> str | None:
    """The version that it went on from; None for one from scratch."""
    return ((row.metrics.get("training") or {}).get("start") or {}).get("version")


def _kept(row: ModelVersionRow) -> dict[str, Any]:
    return row.metrics.get("gate") or {}
