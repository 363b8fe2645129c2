"""What a candidate policy would earn, estimated from lists that another policy showed and logged propensities of.

What is estimated is the candidate's clicks per list, as far as the log's lists were seen: the sum over places of
the probability that the item which the candidate puts there is clicked there. Each place is a bandit of its own, whose
propensity is that of the item at the place (see ``pipeline.exploration``), as in the item-position model of Li et al.,
Offline Evaluation of Ranking Policies with Click Models, KDD 2018. That assumes:

* a click depends on the reader, the item and its place, not on the other items of the list. For one place alone this
  is not needed: then it is the chance of a click there, beside such items as the log shows with it;
* the log might have shown every choice of the candidate (its propensity is not 0). ``coverage``, the mean weight, falls
  below 1 where not, and IPS with it;
* the log tells what the candidate would have chosen: what readers and articles had done by then is replayed;
* how far a list is seen does not depend on what stands in it. Places that nobody saw are no part of the list.

With w = [the candidate has this item at this place] / propensity and r = 1 for a click, by place over n lists, in m of
which it was seen:

* IPS, inverse propensity scoring, sum(w r) / n (Horvitz and Thompson 1952): unbiased, of high variance;
* SNIPS, self-normalised, m / n sum(w r) / sum(w) (Swaminathan and Joachims, NIPS 2015): a little biased, of less
  variance;
* DR, doubly robust, mean of q + w (r - q), q being the candidate's own P(click) (Dudik, Langford and Li, ICML 2011):
  unbiased whatever q is, and of less variance the better q is.

Intervals resample users (see ``evaluation.bootstrap``). The effective sample size is Kish's (1965): sum(w)^2 over
sum(w^2).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.columns import Bools, Floats, Ints
from recsys.evaluation.bootstrap import BLOCK, FEWEST_USERS, LEVEL

SELDOM = 0.01  # share of the lists below which a place was seen so seldom that no warning is about it
FEWEST = 100.0  # effective lists at a place, below which its estimates say little
COVERED = 0.9  # mean weight, below which the candidate surely makes choices that the log never shows

Sums = npt.NDArray[np.float64]  # (..., places, what is summed)
LISTS, COUNT, LOGGED, WEIGHT, SQUARED, WEIGHTED, ROBUST = range(7)
METHODS = ("ips", "snips", "dr")


@dataclass(frozen=True)
class Trials:
    """n lists of the log at k places."""

    users: Ints  # (n,)
    seen: Bools  # (n, k) which places were; the others say nothing, whatever stands there
    weights: Floats  # (n, k) one by the propensity where the candidate has the item of the log, else 0
    clicked: Floats  # (n, k) 0 or 1
    expected: Floats  # (n, k) P(click) of what the candidate has there, as the candidate says


def estimate(trials: Trials, *, draws: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Clicks per list of the log and of the candidate, by place and in all, with 95% intervals over users.

    An interval is None for fewer than ``FEWEST_USERS`` users, and the coverage of a place that nobody saw. The
    effective sample size of the whole is the least of the places that were seen more than seldom.
    """
    by_user = _sums(trials)
    total = by_user.sum(axis=0)
    resampled = _resampled(by_user, draws if len(by_user) >= FEWEST_USERS else 0, seed)
    values, spreads = _estimates(total), _estimates(resampled)
    effective = _ratio(total[:, WEIGHT] ** 2, total[:, SQUARED])
    return {
        "lists": len(trials.users),
        "users": len(by_user),
        "matched": int(((trials.weights > 0) & trials.seen).any(axis=1).sum()),
        **{name: float(values[name].sum()) for name in values},
        "effective_sample_size": float(effective[_often_seen(total)].min()),
        "confidence": {name: _interval(spread.sum(axis=1)) for name, spread in spreads.items()},
        "places": [
            {
                "place": place + 1,
                **{name: float(values[name][place]) for name in values},
                "effective_sample_size": float(effective[place]),
                "coverage": float(total[place, WEIGHT] / total[place, COUNT]) if total[place, COUNT] else None,
                "confidence": {name: _interval(spread[:, place]) for name, spread in spreads.items()},
            }
            for place in range(len(total))
        ],
        "warnings": _warnings(total, effective, len(by_user)),
    }


def _sums(trials: Trials) -> Sums:
    """What the estimates are made of, summed by user (users, places, 7)."""
    w, r, q = (np.where(trials.seen, values, 0.0) for values in (trials.weights, trials.clicked, trials.expected))
    parts = np.stack([np.ones_like(w), trials.seen, r, w, w * w, w * r, q + w * (r - q)], axis=-1)
    users, owner = np.unique(trials.users, return_inverse=True)
    sums = np.zeros((len(users), *parts.shape[1:]))
    np.add.at(sums, owner, parts)
    return sums


def _estimates(sums: Sums) -> dict[str, Floats]:
    """Clicks per list (..., places)."""
    lists = sums[..., LISTS]
    share = sums[..., COUNT] / lists
    return {
        "logged": sums[..., LOGGED] / lists,
        "ips": sums[..., WEIGHTED] / lists,
        "snips": share * _ratio(sums[..., WEIGHTED], sums[..., WEIGHT]),
        "dr": sums[..., ROBUST] / lists,
    }


def _ratio(over: Floats, under: Floats) -> Floats:
    """Their ratio; 0 where nothing matched."""
    return np.asarray(np.divide(over, under, out=np.zeros_like(over), where=under > 0), np.float64)


def _resampled(by_user: Sums, draws: int, seed: int) -> Sums:
    """The sums of ``draws`` samples of as many users as there are (draws, places, 7)."""
    generator, users = np.random.default_rng(seed), len(by_user)
    flat, step = by_user.reshape(users, -1), max(1, BLOCK // users)
    found = [np.zeros((0, flat.shape[1]))]
    for start in range(0, draws, step):
        size = min(step, draws - start)
        chosen = generator.integers(0, users, size=(size, users)) + users * np.arange(size)[:, None]
        found.append(np.bincount(chosen.ravel(), minlength=size * users).reshape(size, users) @ flat)
    return np.concatenate(found).reshape(draws, *by_user.shape[1:])


def _interval(values: Floats) -> tuple[float, float] | None:
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _warnings(total: Sums, effective: Floats, users: int) -> list[str]:
    """What a reader of the estimates must know."""
    found = []
    if users < FEWEST_USERS:
        found.append(f"Fewer than {FEWEST_USERS} users: how sure the estimates are cannot be said.")
    often = _often_seen(total)
    few = np.flatnonzero(often & (effective < FEWEST)) + 1
    if len(few):
        found.append(
            f"At {_places(few)} fewer than {FEWEST:.0f} effective lists of the log agree with the candidate: IPS and "
            f"SNIPS say little there, and DR little but what the candidate expects of itself. Explore more, or longer."
        )
    most = total[:, WEIGHT] + 2 * np.sqrt(total[:, SQUARED])
    missing = np.flatnonzero(often & (most < COVERED * total[:, COUNT])) + 1
    if len(missing):
        found.append(
            f"At {_places(missing)} the candidate often puts what the log could not have shown there: IPS is too low, "
            f"and SNIPS speaks only of the lists where it could."
        )
    return found


def _often_seen(total: Sums) -> Bools:
    """Which places (k,) count for what the estimates rest on; the first always does."""
    often: Bools = total[:, COUNT] >= SELDOM * total[:, LISTS]
    often[:1] = True
    return often


def _places(numbers: Ints) -> str:
    return f"place{'s' if len(numbers) > 1 else ''} {', '.join(str(number) for number in numbers.tolist())}"
