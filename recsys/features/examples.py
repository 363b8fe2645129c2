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

    def stretch(self, first: int, last: int) -> "Examples":
        """The lists from one number up to another."""
        rows = slice(self.offsets[first], self.offsets[last])
        by_row = {name: getattr(self, name)[rows] for name in ("keys", "shown", "labels", "features")}
        by_list = {name: column[first:last] for name, column in vars(self).items() if name not in {*by_row, "offsets"}}
        return Examples(offsets=self.offsets[first : last + 1] - self.offsets[first], **by_row, **by_list)


def allocate(log: EventLog, scored: Ints, samples: Ints) -> Examples:
    """Empty examples of the ``scored`` impressions of a log, with places for so many samples (lists,) behind each."""
    impressions = log.impressions
    shown = np.diff(impressions.offsets)[scored]
    offsets = np.concatenate([[0], np.cumsum(shown + samples)])
    rows = int(offsets[-1])
    place = np.arange(rows) - np.repeat(offsets[:-1], shown + samples)
    return Examples(
        offsets=offsets,
        keys=np.full(rows, NONE, np.int64),
        shown=place < np.repeat(shown, shown + samples),
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
    """Mark the rows that were clicked as far as ``log`` knows."""
    positions = np.repeat(examples.position, np.diff(examples.offsets))
    examples.labels[:] = examples.shown & is_clicked(log, positions, examples.keys)
    return examples


def is_clicked(log: EventLog, positions: Ints, keys: Ints) -> Bools:
    """Which articles (n,) a log knows to be clicked in the impressions of these positions (n,)."""
    clicks = log.clicks
    known = (clicks.weight > 0) & (clicks.impression != NONE)
    width = int(max(keys.max(initial=0), clicks.article.max(initial=0))) + 1
    clicked: Bools = np.isin(positions * width + keys, clicks.impression[known] * width + clicks.article[known])
    return clicked


def compacted(examples: Examples) -> Examples:
    """Drop the places for samples that were not filled."""
    keep = examples.keys != NONE
    lists = np.repeat(np.arange(len(examples)), np.diff(examples.offsets))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lists[keep], minlength=len(examples)))])
    rows = {name: getattr(examples, name)[keep] for name in ("keys", "shown", "labels", "features")}
    whole = ("position", "user", "at", "context_article", "history", "history_at")
    return Examples(offsets=offsets, **rows, **{name: getattr(examples, name) for name in whole})
