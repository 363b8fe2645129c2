"""Draws the rows of ``report.py``: one picture for each kind of row."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

Row = dict[str, Any]

STYLES = {
    "recsys": {"color": "#1f5fa8", "marker": "o"},
    "recsys, trained once": {"color": "#1f5fa8", "marker": "o"},
    "recsys, trained that morning": {"color": "#d1651a", "marker": "s", "linestyle": "none", "markersize": 7},
    "clicks, half-life 8 h": {"color": "#8a8a8a", "marker": ".", "linestyle": "--"},
}
BESIDE = {"recsys, trained that morning": 0.15}  # days to the right, so that both can be seen
NAMES = {"auc": "AUC", "ndcg@10": "nDCG@10"}
mpl.rcParams.update({"font.size": 10, "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False})
mpl.rcParams.update({"axes.spines.right": False, "legend.frameon": False, "savefig.dpi": 110})


def draw(rows: Sequence[Row], source: str, path: Path) -> None:
    """Write the picture of rows of one kind; ``source`` names the data in its title."""
    figure = PICTURES[rows[0]["plot"]](rows, source)
    figure.savefig(path)
    plt.close(figure)


def _calibration(rows: Sequence[Row], source: str) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(5.6, 4.6), layout="constrained")
    rates = [row["clicked"] for row in rows]
    below = [row["clicked"] - row["low"] for row in rows]
    above = [row["high"] - row["clicked"] for row in rows]
    highest = 1.05 * max(*(row["high"] for row in rows), *(row["predicted"] for row in rows))
    axes.plot([0, highest], [0, highest], color="#8a8a8a", linestyle="--", label="perfect")
    axes.errorbar([row["predicted"] for row in rows], rates, (below, above), **STYLES["recsys"], ms=4, label="recsys")
    axes.set(xlabel="P(click) predicted, mean of the bin", ylabel="share clicked", xlim=(0, highest), ylim=(0, highest))
    axes.set_title(f"Calibration, {source}\nlog loss {rows[0]['log_loss']:.3f}, ECE {rows[0]['ece']:.3f}", fontsize=10)
    axes.legend(loc="upper left")
    return figure


def _roc(rows: Sequence[Row], source: str) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(5.6, 4.6), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#c8c8c8", linestyle=":")
    for row in rows:
        taken, found = row["curve"]
        style = {**STYLES[row["name"]], "marker": ""}
        axes.plot([0.0, *taken, 1.0], [0.0, *found, 1.0], **style, label=f"{row['name']}: mean AUC {row['auc']:.3f}")
    axes.set(xlabel="share of the not clicked taken along", ylabel="share of the clicked found")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.set_title(f"ROC, mean over lists (never pooled), {source}", fontsize=10)
    axes.legend(loc="lower right")
    return figure


def _learning(rows: Sequence[Row], source: str) -> plt.Figure:
    figure, both = plt.subplots(1, 2, figsize=(8.2, 3.7), layout="constrained")
    for axes, metric in zip(both, NAMES, strict=True):
        _line(axes, rows, "clicks", metric, "recsys")
        axes.set_xscale("log", base=2)
        axes.set_xticks([row["clicks"] for row in rows], [f"{row['clicks']:,}" for row in rows])
        axes.minorticks_off()
        axes.set(xlabel="clicks in the training window", ylabel=NAMES[metric])
    figure.suptitle(f"Learning curve, {source}", fontsize=10)
    return figure


def _ageing(rows: Sequence[Row], source: str) -> plt.Figure:
    figure, both = plt.subplots(1, 2, figsize=(8.2, 3.9), layout="constrained")
    for axes, metric in zip(both, NAMES, strict=True):
        for name, some in _by_name(rows).items():
            _line(axes, some, "day", metric, name)
        axes.set_xticks(sorted({row["day"] for row in rows}))
        axes.set(xlabel="day since training", ylabel=NAMES[metric])
    handles, labels = both[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.suptitle(f"How fast the weights age, {source}", fontsize=10)
    return figure


PICTURES: dict[str, Callable[[Sequence[Row], str], plt.Figure]] = {
    "calibration": _calibration, "roc": _roc, "learning": _learning, "ageing": _ageing,
}  # fmt: skip


def _line(axes: Axes, rows: Sequence[Row], x: str, metric: str, name: str) -> None:
    values = [row[metric] for row in rows]
    below = [row[metric] - row["confidence"][metric][0] for row in rows]
    above = [row["confidence"][metric][1] - row[metric] for row in rows]
    places = [row[x] + BESIDE.get(name, 0.0) for row in rows]
    axes.errorbar(places, values, (below, above), **STYLES[name], capsize=2, label=name)


def _by_name(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {name: [row for row in rows if row["name"] == name] for name in dict.fromkeys(row["name"] for row in rows)}
