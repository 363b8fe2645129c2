"""What people read of an evaluation: every figure of the summary, in a terminal of 80 columns."""

from typing import Any

from rich.console import Console

from recsys.evaluation.report import number
from recsys.evaluation.sheet import sheet

SHOWN: dict[str, Any] = {
    "version": "20260322T070000-abcdef",
    "impressions": 25356,
    "clicks": 25505,
    **{"auc": 0.811, "mrr": 0.602, "ndcg@5": 0.673, "ndcg@10": 0.694, "log_loss": 0.2104, "ece": 0.004},
    "classic": {
        **{"threshold": 0.217, "accuracy": 0.885, "precision": 0.381, "recall": 0.512, "f1": 0.437},
        "accuracy_of_never": 0.917,
    },
    "slices": {
        "new_user": {"impressions": 0, "auc": float("nan"), "ndcg@10": float("nan"), "confidence": {}},
        "section=sport": {
            "impressions": 4321, "auc": 0.777, "ndcg@10": 0.666, "confidence": {"auc": (0.771, 0.783)},
        },
    },
    "confidence": {"auc": (0.805, 0.817)},
    "lists": {"auc": 24817, "mrr": 25011},
    "warnings": ["The lists are of 7 users."],
}  # fmt: skip
LIVE: dict[str, Any] = {
    **{name: SHOWN[name] for name in ("version", "impressions", "clicks")},
    **{"r@10": 0.511, "r@50": 0.912, "r@100": 0.934, "ndcg@10": 0.288, "sources_r@100": 0.947, "sources_r@500": 0.971},
    **{"pool_median": 1361.0, "auc": 0.924, "mrr": 0.203, "ndcg@5": 0.247},
    "retrieval": {"learned": {"impressions": 9, "r@100_of_exact": 0.998, "r@100_of_clicked": 0.312}},
    "diversity": {
        "off": {"ndcg@10": 0.288, "coverage": 0.215, "novelty": 9.871, "intra_list_diversity": 0.744},
        "on": {"ndcg@10": 0.281, "coverage": 0.231, "novelty": 9.902, "intra_list_diversity": 0.803},
        "cost": {"ndcg@10": 0.007, "confidence": {"ndcg@10": (0.005, 0.009)}},
    },
    "confidence": {"r@10": (0.5, 0.522)},
    "lists": {"r@10": 25001},
    "warnings": [],
}


def printed(summary: dict[str, Any], *, live: bool) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(sheet(summary, live=live))
    return captured.get()


def test_figures_of_shown_lists_are_all_there() -> None:
    text = printed(SHOWN, live=False)
    for name in ("auc", "mrr", "ndcg@5", "ndcg@10", "log_loss", "ece"):
        assert name in text
        assert number(SHOWN[name]) in text
    for name, value in SHOWN["classic"].items():
        assert name in text
        assert number(value) in text
    assert ".811 (.805–.817)" in text
    assert "24,817" in text
    assert "The lists are of 7 users." in text
    assert ".777 (.771–.783)" in text
    assert "4,321" in text
    assert "…" not in text


def test_a_slice_without_lists_is_not_told() -> None:
    assert "section=sport" in printed(SHOWN, live=False)
    assert "new_user" not in printed(SHOWN, live=False)


def test_a_model_without_a_threshold_has_no_classic_figures() -> None:
    text = printed({**SHOWN, "classic": None}, live=False)
    assert "threshold" not in text
    assert "section=sport" in text


def test_figures_of_live_articles_are_all_there() -> None:
    text = printed(LIVE, live=True)
    for name in ("r@10", "r@50", "r@100", "auc", "mrr", "ndcg@5", "ndcg@10", "sources_r@100", "sources_r@500"):
        assert number(LIVE[name]) in text
    for figures in (*LIVE["retrieval"].values(), *LIVE["diversity"].values()):
        for value in figures.values():
            assert isinstance(value, dict) or value == 9 or number(value) in text
    assert ".007 (.005–.009)" in text
    assert "…" not in text
