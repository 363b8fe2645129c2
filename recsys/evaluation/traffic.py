"""Live CTR by version, and whether two versions that share the traffic differ.

A version's CTR is the share of the lists that were seen in which something was opened: a ratio of two sums over users,
who each see more than one list. Its variance is that of the delta method with users as units (Deng, Knoblich and Lu,
Applying the Delta Method in Metric Analytics, KDD 2018). The interval of one CTR is Wilson's (1927) with the number of
independent lists that has this variance, so it stays within 0 and 1 and does not vanish where nothing was clicked; the
difference of two is tested by the normal distribution.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from sqlalchemy.orm import Session

from recsys.database import experiments, models
from recsys.database.outcomes import Outcome, outcomes
from recsys.domain import Timestamp

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
FEWEST = 20  # users and clicked lists of each version, below which a difference is not called significant


@dataclass(frozen=True)
class Comparison:
    """The two versions of an experiment since it began, or since the live one went live, whichever was later."""

    version: str
    live: str
    share: float
    since: Timestamp
    traffic: dict[str, dict[str, Any]]  # of the two, counted since then
    difference: float | None  # CTR of the version less that of the live one
    confidence: tuple[float, float] | None
    p_value: float | None  # two-sided
    significant: bool | None  # None: too little was seen


NOTHING = {"users": 0, "impressions": 0, "clicked": 0, "clicks": 0, "ctr": None, "confidence": None}


def traffic(session: Session, *, robot_limit: int, since: Timestamp | None = None) -> dict[str, dict[str, Any]]:
    """What was seen of each version, with its CTR; of all time, or of lists served from a time on."""
    found = outcomes(session, robot_limit=robot_limit, **({} if since is None else {"since": since}))
    return {version: figures(outcome) for version, outcome in found.items()}


def comparison(session: Session, *, robot_limit: int) -> Comparison | None:
    """The experiment that runs; None where there is none."""
    experiment, live = experiments.running(session), models.live_since(session)
    if experiment is None or live is None:
        return None
    since = max(experiment.since, live[1])
    found = outcomes(session, since=since, robot_limit=robot_limit)
    both = [found.get(version, Outcome(version, *[0] * 7)) for version in (experiment.version, live[0])]
    difference, confidence, p_value = compared(*both)
    enough = min(min(one.users, one.clicked) for one in both) >= FEWEST
    return Comparison(
        version=experiment.version,
        live=live[0],
        share=experiment.share,
        since=since,
        traffic={one.version: figures(one) for one in both},
        difference=difference,
        confidence=confidence,
        p_value=p_value,
        significant=p_value < 1 - LEVEL if enough and p_value is not None else None,
    )


def figures(one: Outcome) -> dict[str, Any]:
    """A version's counts, CTR and interval, for people and for JSON."""
    counts = {name: getattr(one, name) for name in ("users", "impressions", "clicked", "clicks")}
    ctr = one.clicked / one.impressions if one.impressions else None
    return {**counts, "ctr": ctr, "confidence": interval(one)}


def line(seen: dict[str, Any]) -> str:
    """A version's figures for people."""
    if seen["ctr"] is None:
        return "nothing seen yet"
    low, high = seen["confidence"]
    return f"{seen['impressions']:,} lists seen, CTR {seen['ctr']:.4f} ({low:.4f} to {high:.4f})"


def verdict(running: Comparison) -> str:
    """What the experiment says so far, for people."""
    pair = f"{running.version} on {running.share:.0%} of the users against {running.live}"
    if running.difference is None or running.confidence is None or running.p_value is None:
        return f"Experiment: {pair}: too little was seen to compare them."
    low, high = running.confidence
    sure = {True: "significant", False: "not significant", None: "too little was seen to call it significant"}
    said = f"{running.difference:+.4f} ({low:+.4f} to {high:+.4f}), p = {running.p_value:.3g}"
    return f"Experiment: {pair}: difference in CTR {said}, {sure[running.significant]}."


def variance(one: Outcome) -> float | None:
    """Of the CTR, by the delta method over users; None for fewer than two users."""
    if one.users < 2:
        return None
    ratio = one.clicked / one.impressions
    # the residuals c - ratio * n have a mean of zero
    residuals = one.clicked_squares - 2 * ratio * one.products + ratio * ratio * one.squares
    return max(0.0, residuals) * one.users / (one.users - 1) / one.impressions**2


def interval(one: Outcome) -> tuple[float, float] | None:
    """95% interval of the CTR; None where nothing was seen."""
    if one.impressions == 0:
        return None
    ctr, spread = one.clicked / one.impressions, variance(one)
    independent = ctr * (1 - ctr) / spread if spread and 0 < ctr < 1 else float(one.users)
    n = min(independent, float(one.impressions))
    middle = (ctr + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * (ctr * (1 - ctr) / n + Z * Z / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def compared(a: Outcome, b: Outcome) -> tuple[float | None, tuple[float, float] | None, float | None]:
    """Difference of the CTRs (a less b), its 95% interval, and the two-sided p-value; None where it cannot be said."""
    spreads = [variance(one) for one in (a, b)]
    if spreads[0] is None or spreads[1] is None:
        return None, None, None
    difference, error = a.clicked / a.impressions - b.clicked / b.impressions, (spreads[0] + spreads[1]) ** 0.5
    if error == 0:
        return difference, None, None
    p_value = 2 * NormalDist().cdf(-abs(difference) / error)
    return difference, (difference - Z * error, difference + Z * error), p_value
