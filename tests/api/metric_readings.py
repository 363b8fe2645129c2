"""Metrics as a scraper reads them."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families


def readings(client: Any) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Values by sample name and labels, of what GET /metrics says now."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(client: Any, name: str, **labels: str) -> float:
    """One of them; 0 where there is no such sample yet."""
    return readings(client).get((name, frozenset(labels.items())), 0.0)


def labels_of(client: Any, name: str, label: str) -> set[str]:
    """The values that a label of a metric has."""
    return {dict(labels)[label] for sample, labels in readings(client) if sample == name}
