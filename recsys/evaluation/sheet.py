"""What ``recsys evaluate`` prints: the figures of one evaluation as tables."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from recsys.evaluation.report import table
from recsys.evaluation.slices import WITH_INTERVAL

SHOWN = ("impressions", "clicks", "auc", "mrr", "ndcg@5", "ndcg@10", "log_loss", "ece")
CLASSIC = ("threshold", "accuracy", "precision", "recall", "f1", "accuracy_of_never")
SLICE = ("slice", "impressions", *WITH_INTERVAL)
LIVE = (
    "impressions", "clicks", "pool_median", "r@10", "r@50", "r@100", "auc", "mrr", "ndcg@5", "ndcg@10", "sources_r@100",
    "sources_r@500",
)  # fmt: skip
SEARCH = ("index", "r@100 of exact search", "r@100 of clicked")
OFF_POLICY = ("clicks", "logged", "ips", "snips", "dr", "effective_sample_size", "coverage")
LISTS = ("diversity", "ndcg@10", "coverage", "novelty", "intra_list_diversity")


def sheet(summary: Mapping[str, Any], *, live: bool) -> Group:
    """The tables of the summary that an evaluation on shown lists or on all live articles gives."""
    return Group(*(_live(summary) if live else _shown(summary)), *summary["warnings"])


def off_policy_sheet(summary: Mapping[str, Any]) -> Group:
    """The estimates of one version from lists that were logged with propensities, and what to think of them."""
    rows = [{"clicks": "per list", **summary}]
    rows += [{"clicks": f"at place {place['place']}", **place} for place in summary["places"]]
    title = f"Clicks per list: logged, and estimated of {summary['version']}, from {summary['lists']:,} lists"
    return Group(_titled(title, rows, OFF_POLICY), *summary["warnings"])


def _shown(summary: Mapping[str, Any]) -> list[Table]:
    tables = [_figures(summary, SHOWN)]
    if summary["classic"] is not None:
        tables.append(_titled("Yes or no, by the threshold that training chose", [summary["classic"]], CLASSIC))
    slices = [{"slice": name, **figures} for name, figures in summary["slices"].items() if figures["impressions"]]
    return [*tables, _titled("Slices, hours in UTC", slices, SLICE)]


def _live(summary: Mapping[str, Any]) -> list[Table]:
    searches = [{"index": name, **_spelt(figures)} for name, figures in summary["retrieval"].items()]
    lists = [{"diversity": name, **figures} for name, figures in summary["diversity"].items()]
    return [
        _figures(summary, LIVE),
        _titled("Search of the indexes", searches, SEARCH),
        _titled("The first ten, diversity off and on", lists, LISTS),
    ]


def _figures(summary: Mapping[str, Any], names: tuple[str, ...]) -> Table:
    """One row for each figure, so that it fits a terminal, with its interval and the lists that it is the mean of."""
    version, intervals, lists = summary["version"], summary["confidence"], summary["lists"]
    rows = [
        {"figure": name, version: summary[name], "lists": lists.get(name), "confidence": {version: intervals.get(name)}}
        for name in names
    ]
    return table(rows, ["figure", version, "lists"])


def _spelt(figures: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(SEARCH[1:], (figures["r@100_of_exact"], figures["r@100_of_clicked"]), strict=True))


def _titled(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Table:
    made = table(rows, columns)
    made.title, made.title_justify = title, "left"
    return made
