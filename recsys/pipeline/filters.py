"""Which live articles may be recommended in this request."""

import numpy as np

from recsys.columns import Ints
from recsys.pipeline.situation import Request, World


def allowed(world: World, request: Request, live: Ints | None = None) -> Ints:
    """Keys of the live articles less those the user has clicked, the excluded ones, and other sections'.

    ``live`` spares looking for them once more where many requests share an instant.
    """
    keys = world.live(request.at) if live is None else live
    barred = np.concatenate([request.view.clicked, request.exclude, [request.context.context_article]])
    keys = keys[~np.isin(keys, barred)]
    if request.section is not None:
        keys = keys[in_section(world, keys, request.section)]
    return keys


def in_section(world: World, keys: Ints, section: str) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which of the articles (n,) are of a section; none for a section that nothing is in."""
    sections = world.catalogue.sections
    code = sections.index(section) if section in sections else -2
    return np.asarray(world.catalogue.section[keys] == code)
