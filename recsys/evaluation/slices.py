"""The lists of a window in parts: by what is known of their reader and of what was clicked, by section and by hour."""

from collections.abc import Iterator

import numpy as np

from recsys.columns import NONE, Bools, Catalogue, Floats, Ints
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.features.examples import Examples
from recsys.features.features import FEATURES

NEW_HOURS = 6.0  # an article is new so long after it was first shown
FEW_EXPOSURES = 20  # decayed with a half-life of eight hours
MOST_SECTIONS = 20  # those with the most lists are told
WITH_INTERVAL = ("auc", "ndcg@10")

Sliced = dict[str, int | float | dict[str, tuple[float, float]]]


def slices(examples: Examples, catalogue: Catalogue) -> dict[str, Bools]:
    """Which lists (lists,) belong to each slice; a list may be in several, and a slice may be empty.

    ``clicked_...`` are the lists in which such an article was clicked, ``section=NAME`` likewise, ``hour=HH`` is UTC.
    """
    named = {**_of_readers(examples), **_of_clicked(examples)}
    return {**named, **dict(_of_sections(examples, catalogue)), **dict(_of_hours(examples))}


def sliced(figures: dict[str, Floats], lists: Bools, users: Ints, seed: int = 0) -> Sliced:
    """Means of figures (lists,) over the chosen lists, with 95% intervals over users for AUC and nDCG@10."""
    means = {name: metrics.mean(values[lists]) for name, values in figures.items()}
    intervals = {name: bootstrap_mean(figures[name][lists], users[lists], seed=seed) for name in WITH_INTERVAL}
    return {"impressions": int(lists.sum()), **means, "confidence": intervals}


def _of_readers(examples: Examples) -> dict[str, Bools]:
    history = (examples.history != NONE).sum(axis=1)
    return {
        "front_page": _column(examples, "front_page")[examples.offsets[:-1]] > 0,
        "article_page": _column(examples, "article_page")[examples.offsets[:-1]] > 0,
        "new_user": history == 0,
        "short_history": history < 5,
        "long_history": history >= 50,
    }


def _of_clicked(examples: Examples) -> dict[str, Bools]:
    few = _column(examples, "exposures_8h") <= np.log1p(FEW_EXPOSURES)
    return {
        f"clicked_at_most_{FEW_EXPOSURES}_exposures": _any_clicked(examples, few),
        "clicked_without_clicks": _any_clicked(examples, _column(examples, "clicks_72h") < 1e-6),
        "clicked_new_article": _any_clicked(
            examples, _column(examples, "since_first_shown") < np.log1p(NEW_HOURS * 60.0)
        ),
    }


def _of_sections(examples: Examples, catalogue: Catalogue) -> Iterator[tuple[str, Bools]]:
    """The sections in which the most lists have a click, largest first."""
    section = catalogue.section[examples.keys]
    found = {code: _any_clicked(examples, section == code) for code in np.unique(section[examples.labels > 0]).tolist()}
    found.pop(NONE, None)
    for code in sorted(found, key=lambda code: -int(found[code].sum()))[:MOST_SECTIONS]:
        yield f"section={catalogue.sections[code]}", found[code]


def _of_hours(examples: Examples) -> Iterator[tuple[str, Bools]]:
    hour = (examples.at % 86400.0 // 3600.0).astype(np.int64)
    for value in np.unique(hour).tolist():
        yield f"hour={value:02}", hour == value


def _column(examples: Examples, name: str) -> Floats:
    return examples.features[:, FEATURES.index(name)].astype(np.float64)


def _any_clicked(examples: Examples, rows: Bools) -> Bools:
    """Lists in which one of these rows was clicked."""
    clicked = ((examples.labels > 0) & rows).astype(np.int64)
    return np.asarray(np.add.reduceat(clicked, examples.offsets[:-1]) > 0)
