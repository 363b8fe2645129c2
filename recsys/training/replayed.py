"""Replays a log into what the heads train on, stretch by stretch, so that the features are never held twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from recsys.columns import Bools, EventLog, Floats, Floats32, Ints, between
from recsys.domain import Timestamp
from recsys.features.examples import Examples, is_clicked
from recsys.features.replay import Replay
from recsys.pipeline import affinity
from recsys.pipeline.model import Views
from recsys.pipeline.scorer import assemble, widths
from recsys.progress import StageProgress
from recsys.training.grades import grades_of_rows
from recsys.training.lists import Lists

MOST_ROWS = 1_000_000  # articles shown in the newest lists, which are examples; what lies before is folded only
STRETCH = 4096  # lists replayed at once


@dataclass(frozen=True)
class Link:
    """The views that score the lists from one on; None while too little was known to fit any."""

    start: int  # first list
    views: Views | None


def examples_since(log: EventLog, since: Timestamp) -> Timestamp:
    """Since when lists are examples: those from ``since`` on, but no older ones than the newest MOST_ROWS need."""
    lists = log.impressions
    first = int(np.searchsorted(lists.offsets, lists.offsets[-1] - MOST_ROWS))
    return max(since, float(lists.known_at[first])) if first else since


def replayed(
    replay: Replay,
    log: EventLog,
    span: tuple[Timestamp, Timestamp],
    chain: Sequence[Link],
    modalities: tuple[str, ...],
    report: StageProgress,
    grades: Floats | None = None,
) -> Lists:
    """Fold all of a log, and give the pointwise inputs of its lists in a span of time.

    Args:
        replay: which adds samples as it was told.
        log: in the order of the fold.
        span: its begin and its end, before which the lists are, in seconds.
        chain: links in the order of time; they count lists from the first one that is an example, and the last link
            ends them.
        modalities: whose content affinities are among the inputs.
        report: told how many lists have their features ("replay"), and how many their affinities.
        grades: what each click of the log counts (clicks,); None: all alike.
    """
    since, until = span
    rows = np.empty((replay.most_rows(log, since), widths(modalities)[0]), np.float32)
    parts, done, filled, total = list[_Part](), 0, 0, chain[-1].start
    for stretch in _stretches(log):
        examples = replay.run(stretch, score_from=since, score_until=until)
        behind = filled + len(examples.keys)
        report("replay", done + len(examples), total)
        rows[filled:behind] = assemble(examples.features, _affinities(chain, modalities, examples, done))
        parts.append(_Part(np.diff(examples.offsets), examples.position, examples.keys, examples.shown))
        done, filled = done + len(examples), behind
        report("affinities", done, total)
    return _labelled(log, rows[:filled], parts, grades)


class _Part(NamedTuple):
    """What is kept of the examples of one stretch besides their inputs."""

    lengths: Ints  # (lists,)
    position: Ints  # (lists,)
    keys: Ints  # (rows,)
    shown: Bools  # (rows,)


def _stretches(log: EventLog) -> Iterator[EventLog]:
    """All of a log in pieces of about STRETCH lists, none of which splits a stamp."""
    edges = np.unique(log.impressions.known_at[STRETCH::STRETCH])
    for first, last in pairwise([-np.inf, *edges.tolist(), np.inf]):
        yield between(log, first, last)


def _affinities(chain: Sequence[Link], modalities: tuple[str, ...], examples: Examples, done: int) -> Floats32:
    """Affinities (rows, columns) of a stretch that begins behind ``done`` lists, each list by the views of its link."""
    parts = [np.zeros((0, len(affinity.names(modalities))), np.float32)]
    for link, following in pairwise(chain):
        first, last = (min(max(start - done, 0), len(examples)) for start in (link.start, following.start))
        parts.append(affinity.example_affinities(link.views, modalities, examples, range(first, last)))
    return np.concatenate(parts)


def _labelled(log: EventLog, rows: Floats32, parts: Sequence[_Part], grades: Floats | None) -> Lists:
    """The lists with their clicks, some of which became known in later stretches."""
    lengths, position, keys, shown = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    positions = np.repeat(position, lengths)
    clicked = shown & is_clicked(log, positions, keys)
    counted = None if grades is None else grades_of_rows(log.clicks, grades, positions, keys)
    return Lists(offsets, rows, clicked.astype(np.float32), shown, counted)
