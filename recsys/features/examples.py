"""Lists of the past as examples: what was shown and clicked, with the features of that instant."""

from dataclasses import dataclass

import numpy as np

from recsys.columns import NONE, Bools, EventLog, Floats, Floats32, Ints
from recsys.features.features import WIDTH

HISTORY = 50  # newest clicks that the user tower reads


@dataclass(frozen=True)
class Examples:
    """Lists with their features as of their own time; rows of the i-th are ``offsets[i]:offsets[i + 1]``."""

    offsets: Ints  # (lists + 1,)
    keys: Ints  # (rows,) article keys: those shown, in order, then sampled ones
    shown: Bools  # (rows,) False for live articles that were sampled as further negatives
    labels: Floats32  # (rows,) 1 clicked
    features: Floats32  # (rows, WIDTH)
    position: Ints  # (lists,) of the impression in the log
    user: Ints  # (lists,)
    at: Floats  # (lists,) seconds
    context_article: Ints  # (lists,) or NONE
    history: Ints  # (lists, HISTORY) article keys of the newest liked clicks, oldest first, NONE in front
    history_at: Floats  # (lists, HISTORY) seconds

    def __len__(self) -> int:
        return len(self.user)


def allocate(log: EventLog, scored: Ints, lengths: Ints) -> Examples:
    """Empty examples with so many rows (lengths) for each of the ``scored`` impressions of a log."""
    offsets = np.zeros(len(scored) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    rows, impressions = int(offsets[-1]), log.impressions
    return Examples(
        offsets=offsets,
        keys=np.full(rows, NONE, np.int64),
        shown=np.zeros(rows, np.bool_),
        labels=np.zeros(rows, np.float32),
        features=np.zeros((rows, WIDTH), np.float32),
        position=impressions.position[scored],
        user=impressions.user[scored],
        at=impressions.known_at[scored],
        context_article=impressions.context_article[scored],
        history=np.full((len(scored), HISTORY), NONE, np.int64),
        history_at=np.zeros((len(scored), HISTORY)),
    )


def labelled(examples: Examples, log: EventLog) -> Examples:
    """Mark the rows that were shown, and those of them that were clicked as far as ``log`` knows."""
    clicked = log.clicks.weight > 0
    pairs = np.stack([log.clicks.impression, log.clicks.article], axis=1)[clicked & (log.clicks.impression != NONE)]
    lists = np.repeat(np.arange(len(examples)), np.diff(examples.offsets))
    lengths = dict(zip(log.impressions.position, np.diff(log.impressions.offsets), strict=True))
    inside = np.arange(len(examples.keys)) - examples.offsets[lists]
    shown_lengths = np.array([lengths[p] for p in examples.position], np.int64)
    examples.shown[:] = inside < shown_lengths[lists]
    width = int(max(examples.keys.max(initial=0), pairs[:, 1].max(initial=0))) + 1
    codes = examples.position[lists] * width + examples.keys
    examples.labels[:] = examples.shown & np.isin(codes, pairs[:, 0] * width + pairs[:, 1])
    return examples


def compacted(examples: Examples) -> Examples:
    """Drop the places for samples that were not filled."""
    keep = examples.keys != NONE
    lists = np.repeat(np.arange(len(examples)), np.diff(examples.offsets))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lists[keep], minlength=len(examples)))])
    rows = {name: getattr(examples, name)[keep] for name in ("keys", "shown", "labels", "features")}
    whole = ("position", "user", "at", "context_article", "history", "history_at")
    return Examples(offsets=offsets, **rows, **{name: getattr(examples, name) for name in whole})
