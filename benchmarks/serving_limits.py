"""What the figures of ``serving.py`` must reach, and whether they do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serving_retrain import BUSY, CALM

LIMITS = "what must be reached"
ONE, MOST, HALF = "HTTP, 1 connection", "HTTP, 64 connections", "HTTP, half of the peak"
INSIDE, PARTS = "in process", "exact search and both heads"
PROTOTYPE, PROTOTYPE_HTTP = "prototype, in process", "prototype, HTTP, 1 connection"

Row = dict[str, Any]
Rows = Mapping[str, Row]


@dataclass(frozen=True)
class Limit:
    """A figure and what it must be: at most, or with ``at_least`` at least, ``must``."""

    name: str
    value: float
    must: float
    aim: float | None = None
    at_least: bool = False

    def row(self) -> Row:
        """As a row of the table."""
        met = self.value >= self.must if self.at_least else self.value <= self.must
        bound = f"{'>=' if self.at_least else '<='} {self.must:g}"
        aim = "" if self.aim is None else f"{self.aim:g}"
        return {"table": LIMITS, "name": self.name, "value": round(self.value, 4), "must": bound, "aim": aim,
                "met": "yes" if met else "no"}  # fmt: skip


def rows(measured: Rows, posted: Mapping[str, int]) -> Iterator[Row]:
    """A row for each limit whose figures were measured; ``posted`` is how many events got which status."""
    for limit in limits(measured):
        yield limit.row()
    taken, sent = posted.get("202", 0), sum(posted.values())
    yield Limit("share of the events posted meanwhile that got a 202", taken / max(sent, 1), 1.0, at_least=True).row()


def limits(m: Rows) -> Iterator[Limit]:
    """The limits of the issue "Serve and retrain like production"."""
    http = [row for name, row in m.items() if name.startswith("HTTP, ") and name.partition(" connection")[1]]
    if {ONE, INSIDE} <= m.keys():
        yield Limit("HTTP median / in-process median, one connection", m[ONE]["p50"] / m[INSIDE]["p50"], 1.5, 1.2)
    if HALF in m:
        yield Limit("p99 / median at half of the peak", m[HALF]["p99"] / m[HALF]["p50"], 2.5, 1.8)
    if BUSY in m:
        yield Limit("p95 while it retrains / before, a quarter of the peak", m[BUSY]["p95"] / m[CALM]["p95"], 1.5)
    if MOST in m:
        peak = max(row["requests / s"] for row in http)
        yield Limit("goodput at 64 connections / peak", m[MOST]["requests / s"] / peak, 0.9, at_least=True)
    if {INSIDE, PARTS} <= m.keys():
        alone = m[PARTS]["search ms"] + m[PARTS]["heads ms"]
        yield Limit("in-process median / exact search and heads alone", m[INSIDE]["p50"] / alone, 1.5)
        yield Limit("recall@100 of the served indexes", m[PARTS]["recall@100"], 0.98, at_least=True)
    if {INSIDE, PROTOTYPE} <= m.keys():
        yield Limit("in-process median / prototype's", m[INSIDE]["p50"] / m[PROTOTYPE]["p50"], 1.0, 0.5)
    if {ONE, PROTOTYPE_HTTP} <= m.keys():
        yield Limit("HTTP median / prototype's, one connection", m[ONE]["p50"] / m[PROTOTYPE_HTTP]["p50"], 1.0, 0.5)
    if http:
        yield Limit("start to ready, s", max(row["ready s"] for row in http), 10.0)
        yield Limit("resident memory of an API process, GB", max(row["RSS MB"] for row in http) / 1000, 1.5)
