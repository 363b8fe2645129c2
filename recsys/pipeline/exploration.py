"""Lists drawn at random around the best one, with the propensity of every item at its place.

With a probability e, the share, a request is explored: its list is drawn by the Plackett-Luce model over a pool of good
candidates, one place after the other, each time in proportion to exp(utility / temperature) among those that are left
(Plackett, The analysis of permutations, 1975; drawn at once by adding Gumbel noise and sorting, Yellott 1977). Else the
answer is the selector's. The coin is tossed once for the request, so given the items above, the probability of the next
one is *not* (1 - e) * [greedy] + e * PL: the items above tell already whether it was explored. What does mix like that
is the marginal probability that an item stands at a place, whatever stands above, and that is what is logged::

    propensity(item, place) = (1 - e) * [the selector puts it there] + e * P(Plackett-Luce puts it there)

for explored and other answers alike. The second term has no closed form, but is one integral over the exponential race
that Plackett-Luce is: item i arrives at a time of rate w_i = exp(utility_i / temperature), and stands at place j when
j - 1 of the others arrived before it (Yellott 1977)::

    P(i at j) = integral of w_i exp(-w_i t) P(j - 1 of the others arrived before t) dt
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recsys.columns import Floats, Floats32, Ints

SPAN = 20.0  # the least likely item of a pool has at least exp(-SPAN) of the rate of the likeliest
STEP = 0.4  # of the integral, in log time; lower places come at narrower times, so at most 2 * STEP / sqrt(limit)
BLOCK = 16  # times at once, which keeps the products in the processor's cache
EARLY, LATE = 20.0, 4.0  # where the integral begins and ends: exp(-EARLY) of the first place is left out

Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Exploration:
    """How many requests are explored, and how far from the best."""

    share: float  # of the requests
    temperature: float  # in standard deviations of the utilities
    random: np.random.Generator = field(default_factory=np.random.default_rng)


@dataclass(frozen=True)
class Drawn:
    """A list as rows of the candidates, and the probability of each item to stand where it stands."""

    rows: Ints  # (limit,)
    propensities: Floats  # (limit,)


def explored(utility: Floats32, greedy: Ints, sections: Ints, cap: int, how: Exploration) -> Drawn:
    """Toss the coin and draw, or leave the greedy list as it is.

    Args:
        utility: (n,) of the candidates the selector chose from; -inf is never drawn unless the selector chose it.
        greedy: (limit,) rows of the selector's list.
        sections: (n,) codes; a negative code is capped by nothing.
        cap: most of one section in the list, where the selector kept to it.
        how: share, temperature and randomness.
    """
    pool = pool_of(utility, greedy, sections, cap)
    logits = log_rates(utility[pool], how.temperature)
    chosen = np.arange(len(greedy))  # the pool begins with the greedy list
    if how.random.random() < how.share:
        chosen = np.argsort(-(logits + how.random.gumbel(size=len(pool))))[: len(greedy)]
    drawn = place_probabilities(logits, len(greedy), chosen)[np.arange(len(greedy)), np.arange(len(greedy))]
    return Drawn(pool[chosen], mixed(drawn, pool[chosen] == greedy, how.share))


def mixed(drawn: Floats, is_greedy: npt.NDArray[np.bool_], share: float) -> Floats:
    """The propensity of items at places, of their probabilities in a drawn list and whether the selector's has them."""
    return np.asarray((1 - share) * is_greedy + share * drawn, np.float64)


def pool_of(utility: Floats32, greedy: Ints, sections: Ints, cap: int) -> Ints:
    """Rows to draw from (p,): the greedy list and the best others, never more of a section than a list may hold.

    So every list that is drawn keeps to the cap, and every item of the greedy one may come at every place.
    """
    counts: dict[int, int] = {}
    for section in sections[greedy].tolist():
        counts[section] = counts.get(section, 0) + 1
    pool, taken = greedy.tolist(), set(greedy.tolist())
    for row in np.argsort(-utility, kind="stable").tolist():
        section = int(sections[row])
        if row not in taken and np.isfinite(utility[row]) and (section < 0 or counts.get(section, 0) < cap):
            counts[section] = counts.get(section, 0) + 1
            pool.append(row)
    return np.array(pool, np.int64)


def log_rates(utility: Floats32, temperature: float) -> Floats:
    """Logarithms of the rates (n,), the highest 0: utilities in units of their deviation, by the temperature."""
    wide, finite = utility.astype(np.float64), np.isfinite(utility)
    if not finite.any():
        return np.zeros(len(utility))
    scale = (float(wide[finite].std()) or 1.0) * temperature
    logits = np.where(finite, (wide - wide[finite].max()) / scale, -SPAN)
    return np.maximum(logits, -SPAN)


def place_probabilities(logits: Floats, limit: int, items: Ints | None = None) -> Floats:
    """P(item i stands at place j) of Plackett-Luce with rates exp(logits) (n,): (n, limit), or (m, limit) of m items.

    The number of arrivals is Poisson-binomial; its probabilities are read off the generating function at the roots of
    unity of an odd order above n (Hong, On computing the distribution function for the Poisson binomial distribution,
    2013), where no factor vanishes, so that one item's can be divided out. Its error is below 1e-7.
    """
    n, asked = len(logits), slice(None) if items is None else items
    if n == 0:
        return np.zeros((0, limit))
    step = STEP * min(1.0, 2 / np.sqrt(limit))
    times = np.arange(-np.logaddexp.reduce(logits) - EARLY, LATE - float(logits.min()), step)  # (t,) logarithms
    order = n + 1 + n % 2  # odd, above n - 1
    half = np.arange(order // 2 + 1)  # the other roots are the conjugates of these
    roots = np.exp(2j * np.pi * half / order)
    blocks = np.split(times, range(BLOCK, len(times), BLOCK))
    summed = step * sum(_arrivals(np.exp(logits[:, None] + block), roots, asked) for block in blocks)  # (m, half)
    back = np.exp(-2j * np.pi * half[:, None] * np.arange(limit) / order)  # (half, limit)
    weights = np.where(half == 0, 1.0, 2.0)[:, None] / order
    return np.asarray(np.clip((summed @ (back * weights)).real, 0.0, 1.0), np.float64)


def _arrivals(late: Floats, roots: Complex, asked: Ints | slice) -> Complex:
    """Of the items asked for, arriving at some times: density by generating function of the others, summed (m, half).

    ``late`` (n, t) is rate times time.
    """
    factors: Complex = 1 - np.expm1(-late)[:, :, None] * (roots - 1)  # (n, t, half)
    others = factors.prod(axis=0) / factors[asked]
    density = late[asked] * np.exp(-late[asked])  # in log time
    return np.asarray((density[:, None, :] @ others)[:, 0], np.complex128)
