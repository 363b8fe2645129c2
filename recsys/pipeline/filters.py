"""Which live articles may be recommended in this request."""

import numpy as np

from recsys.columns import NONE, Bools, Ints
from recsys.pipeline.situation import Request, World


def allowed(world: World, request: Request, live: Ints | None = None) -> Ints:
    """Keys of the live articles less those the user has clicked, the excluded ones, and other sections'.

    ``live`` spares looking for them once more where many requests share an instant.
    """
    return _wanted(world, request, world.live(request.at) if live is None else live)


def kept(request: Request, is_live: Bools, weary: Ints, at_least: int) -> Bools:
    """Which articles (n,) this request may have of those that ``is_live`` (n,) marks; any section.

    What the user is ``weary`` of is left out where ``at_least`` so many others remain.
    """
    left = is_live.copy()
    barred = np.concatenate([request.view.clicked, request.exclude, [request.context.context_article]])
    left[barred[(barred != NONE) & (barred < len(left))]] = False
    if len(weary) == 0:
        return left
    rest = left.copy()
    rest[weary] = False
    return rest if int(rest.sum()) >= at_least else left


def eligible(world: World, request: Request, keys: Ints) -> Ints:
    """Those of some articles that an editor may show in this request, in their order: as above, but however old."""
    c = world.catalogue
    keys = keys[keys < len(c)]  # newer ones than this process's catalogue
    return _wanted(world, request, keys[~(c.published_at[keys] > request.at) & (c.expires_at[keys] > request.at)])


def tired(request: Request, after: int) -> Ints:
    """What was shown to this user ``after`` times or more, as far as the newest rows tell; nothing for 0.

    What was clicked as well is none of a request's articles in any case.
    """
    if after == 0:
        return request.view.shown[:0]
    keys, times = np.unique(request.view.shown, return_counts=True)
    return keys[times >= after]


def rested(keys: Ints, weary: Ints, at_least: int) -> Ints:
    """The keys (n,) less what the user is tired of; all of them where that would leave fewer than ``at_least``."""
    if len(weary) == 0:
        return keys
    left = keys[~np.isin(keys, weary)]
    return left if len(left) >= at_least else keys


def in_section(world: World, keys: Ints, section: str) -> Bools:
    """Which of the articles (n,) are of a section; none for a section that nothing is in."""
    sections = world.catalogue.sections
    code = sections.index(section) if section in sections else -2
    return np.asarray(world.catalogue.section[keys] == code)


def _wanted(world: World, request: Request, keys: Ints) -> Ints:
    barred = np.concatenate([request.view.clicked, request.exclude, [request.context.context_article]])
    keys = keys[~np.isin(keys, barred)]
    if request.section is not None:
        keys = keys[in_section(world, keys, request.section)]
    return keys
