"""How articles that nobody has clicked yet stand against the known ones: as the log says that they are clicked."""

import numpy as np

from recsys.columns import NONE, Bools, Floats32, Ints
from recsys.pipeline.content import Content
from recsys.pipeline.towers import Towers, blended_scores
from recsys.training.batches import Task

NEWEST = 0.2  # of the clicks: which articles did they fall on, and which of these had no older one?
SHARES = (0.025, 0.5)  # a log too short to say is not believed; and what gets no chance at all is never clicked
USERS = 256  # on whom the chances are compared
CAUTION = 0.7  # logits: among what nobody has clicked yet is also what nobody ever will


def newcomers_offset(towers: Towers, task: Task, content: Content, generator: np.random.Generator) -> float:
    """What to add to the scores of articles without clicks, so that together they get the chance that such ones had.

    Compared are the articles of the newest clicks, which were all to be had then: those that came with these clicks,
    seen as if nobody had clicked them yet, and those known before. Scores are logits of what is clicked next, so the
    chance of a set of articles is its share in the sum of their exponentials, for the mean user of a sample. 0 where
    there is nothing to compare.
    """
    newest = _newest(task)
    fresh = np.setdiff1d(task.target[newest], task.target[~newest])
    known = np.intersect1d(task.target[newest], task.target[~newest])
    rows = generator.choice(task.examples, min(USERS, len(task.examples)), replace=False)
    if not len(known) or not len(rows):
        return 0.0
    fresh = fresh if len(fresh) else known  # then as many again get the least share
    nobody_knows = towers.rekeyed(np.full_like(towers.id_keys, NONE))
    as_known = _scores(towers, towers, task, content, known, rows)
    as_new = _scores(towers, nobody_knows, task, content, fresh, rows)
    share = newcomer_share(task)
    gap = float((_log_sum(as_known) - _log_sum(as_new)).mean())
    return gap + float(np.log(share / (1 - share))) - CAUTION


def newcomer_share(task: Task) -> float:
    """Share of the newest clicks that went to articles not clicked before those, within ``SHARES``."""
    newest = _newest(task)
    fresh = ~np.isin(task.target[newest], task.target[~newest])
    return float(np.clip(fresh.mean() if len(fresh) else 0.0, *SHARES))


def _newest(task: Task) -> Bools:
    """(n,) which clicks are the newest."""
    at = task.histories.at
    newest: Bools = at > np.quantile(at, 1 - NEWEST)
    return newest


def _scores(readers: Towers, items: Towers, task: Task, content: Content, places: Ints, rows: Ints) -> Floats32:
    """What serving would score the articles at these places (n,) in these examples, as ``items`` sees them."""
    window = task.histories.windows(task.start[rows], task.end[rows], task.histories.at[rows], readers.config.history)
    read, place = np.unique(task.target[window.row], return_inverse=True)
    read, place, keys = task.keys[read], place.reshape(window.mask.shape), task.keys[places]
    users = readers.user_vectors(readers.item_vectors(content, read)[0][place], window.age, window.mask)
    profiles = readers.content_profiles(readers.content_vectors(content, read)[place], window.age, window.mask)
    learned, frozen = items.item_vectors(content, keys)[0], items.content_vectors(content, keys)
    return blended_scores(users @ learned.T, profiles @ frozen.T, items.blend(keys))


def _log_sum(scores: Floats32) -> Floats32:
    """Logarithm of the sum of exponentials along the last axis."""
    highest = scores.max(axis=-1, keepdims=True)
    return np.asarray(highest[:, 0] + np.log(np.exp(scores - highest).sum(axis=-1)))
