"""Figures of the ablation's conditions: means and deviations over seeds, intervals over users, paired differences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from modalities import REFERENCE
from movielens import Result

from recsys.columns import Floats, Ints
from recsys.evaluation.bootstrap import bootstrap_mean, paired_bootstrap

FIGURE = "ndcg@10"  # what intervals and differences are of
PAIRS = {  # with the image, and the same without it
    "to title + behaviour": (REFERENCE.name, "title + behaviour"),
    "to title": ("title + image", "title"),
    "to behaviour": ("image + behaviour", "behaviour"),
    "of the right article, not of another": (REFERENCE.name, "all, images shuffled among articles"),
}

Row = dict[str, Any]
Measured = dict[str, list[Result]]  # by test, one for each hold-out
Seeds = Sequence[Measured]


@dataclass(frozen=True)
class Prepared:
    """A condition ready to be trained with one seed after the other."""

    measure: Callable[[int], list[Measured]]  # seed -> results for each share of images dropped
    notes: Row  # for its rows


@dataclass(frozen=True)
class Events:
    """nDCG@10 of each test event, as the mean over seeds; every hold-out weighs the same."""

    values: Floats  # (n,)
    users: Ints  # (n,)


def events_of(seeds: Seeds) -> dict[str, Events]:
    """By test."""
    return {kind: _joined([[seed[kind][i] for seed in seeds] for i in range(len(seeds[0][kind]))]) for kind in seeds[0]}


def row_of(name: str, group: str, seeds: Seeds, events: Mapping[str, Events], reference: Mapping[str, Events]) -> Row:
    """Means over seeds and hold-outs, and nDCG@10's deviation (of a sample of seeds), interval and difference."""
    row: Row = {"name": name, "group": group, "confidence": {}}
    for kind, some in events.items():
        for figure in seeds[0][kind][0].means:
            by_seed = [float(np.mean([result.means[figure] for result in seed[kind]])) for seed in seeds]
            row[f"{kind}_{figure}"] = round(float(np.mean(by_seed)), 5)
            if figure == FIGURE:
                row[f"{kind}_{figure}_sd"] = round(float(np.std(by_seed, ddof=1)), 5) if len(seeds) > 1 else None
        row["confidence"][f"{kind}_{FIGURE}"] = bootstrap_mean(some.values, some.users)
        if name != REFERENCE.name:
            _compare(row, f"{kind}_{FIGURE}_minus_reference", some, reference[kind])
    row["seconds_to_train"] = round(float(np.mean([r.seconds for s in seeds for some in s.values() for r in some])), 1)
    return row


def image_rows(events: Mapping[str, Mapping[str, Events]]) -> list[Row]:
    """What the image adds to what else is known, by test, with a verdict; of the conditions that are there."""
    rows = []
    kinds = dict.fromkeys(kind for some in events.values() for kind in some)
    for kind, (name, (with_image, without)) in product(kinds, PAIRS.items()):
        if kind in events.get(with_image, {}) and kind in events.get(without, {}):
            row: Row = {"name": f"image {name}", "group": "what the image adds", "test": kind, "confidence": {}}
            _compare(row, "added", events[with_image][kind], events[without][kind])
            rows.append({**row, "verdict": verdict(*row["confidence"]["added"])})
    return rows


def verdict(low: float, high: float) -> str:
    """What an interval of a gain says."""
    if low > 0:
        return "helps"
    return "harms" if high < 0 else "adds nothing that this test can see"


def _compare(row: Row, column: str, some: Events, other: Events) -> None:
    difference, low, high = paired_bootstrap(some.values, other.values, some.users)
    row[column] = round(difference, 5)
    row["confidence"][column] = (low, high)


def _joined(hold_outs: Sequence[Sequence[Result]]) -> Events:
    """Of each hold-out its seeds' results; the mean over events becomes the mean over hold-outs."""
    values = [np.mean([result.figures[FIGURE] for result in seeds], axis=0) for seeds in hold_outs]
    total = sum(np.isfinite(some).sum() for some in values)
    scaled = [some * total / (len(values) * max(1, np.isfinite(some).sum())) for some in values]
    return Events(np.concatenate(scaled), np.concatenate([seeds[0].users for seeds in hold_outs]))
