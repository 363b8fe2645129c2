"""What a process counts and times, for Prometheus. Values of all workers add up, see ``exposition``."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from recsys.counts import Counts, counting
from recsys.stages import recording

STAGES = ("hydrate", "retrieve", "filter", "score", "select", "log")
BOUNDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STAGE_BOUNDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.5)  # seconds

# when each series began: as many series again, which nobody reads
disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS = Counter("recsys_requests", "Requests answered.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "recsys_request_seconds", "From a request's arrival to the end of its answer.", ["route", "method"], buckets=BOUNDS
)
STAGE_SECONDS = Histogram(
    "recsys_stage_seconds", "Stages of a recommendation: what took how long.", ["stage"], buckets=STAGE_BOUNDS
)
CANDIDATES = Counter("recsys_candidates", "Candidates by the source that ranked each highest.", ["source"])
FILTERED = Counter("recsys_filtered", "Articles that could not be recommended, by reason.", ["reason"])
FALLBACKS = Counter("recsys_exact_fallbacks", "Searches that left the approximate index for an exact one.")
ANSWERS = Counter("recsys_answers", "Recommendations answered, by model version.", ["version"])
DEGRADED = Counter("recsys_degraded_answers", "Recommendations answered without the database.")
UNLOGGED = Counter("recsys_unlogged_answers", "Recommendations that should have been logged and could not be.")
EVENTS = Counter("recsys_events", "Events that clients sent, by what became of them.", ["outcome"])

LOG_LAG = Gauge(
    "recsys_log_lag_seconds",
    "Since the newest event that the process folded became known.",
    multiprocess_mode="livemax",
)
LOG_BEHIND = Gauge(
    "recsys_log_behind_events", "Events in the log that the process has not folded.", multiprocess_mode="livemax"
)
MODEL_AGE = Gauge(
    "recsys_model_age_seconds", "Since the end of the live version's training log.", multiprocess_mode="livemax"
)
SERVING = Gauge(
    "recsys_model_processes", "Processes in which a version is live.", ["version"], multiprocess_mode="livesum"
)

_STAGE = {stage: STAGE_SECONDS.labels(stage) for stage in STAGES}
_WHAT = {"candidates": CANDIDATES, "filtered": FILTERED}


@contextmanager
def observing() -> Iterator[None]:
    """Record the stages and the counts of the recommendation that is made inside."""
    with recording() as seconds, counting() as counts:
        yield
    for stage, took in seconds.items():
        (_STAGE.get(stage) or STAGE_SECONDS.labels(stage)).observe(took)
    _add(counts)


def count_events(accepted: int, duplicates: int, rejected: int) -> None:
    """Count what became of the events of one request."""
    for outcome, number in (("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)):
        EVENTS.labels(outcome).inc(number)


def _add(counts: Counts) -> None:
    for (what, which), number in counts.items():
        if what == "exact_fallback":
            FALLBACKS.inc(number)
        elif what in _WHAT:
            _WHAT[what].labels(which).inc(number)
