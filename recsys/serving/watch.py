"""Looks after a process's gauges in the background, so that asking for the metrics costs no query."""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from recsys.database.clickthrough import Clickthrough, newest_by_version
from recsys.database.session import Sessions
from recsys.domain import Timestamp
from recsys.pipeline.model import Model
from recsys.serving import metrics
from recsys.serving.live import Live
from recsys.serving.recent import Recent

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two looks at the log's end
SELDOM = 30.0  # seconds between two looks at clicks and drift
LISTS = 20_000  # that were seen last: what the live CTR is of


@dataclass(frozen=True)
class Figures:
    """What the last look found."""

    clicks: dict[str, Clickthrough] = field(default_factory=dict)  # by version
    drift: dict[str, float] = field(default_factory=dict)  # by input


class Watch(Collector):
    """Keeps the gauges of one process, and tells what the process that is asked tells for all."""

    def __init__(self, sessions: Sessions, live: Live, recent: Recent):
        self.sessions, self.live, self.recent = sessions, live, recent
        self._figures = Figures()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._versions: set[str] = set()  # that were live in this process

    def start(self) -> None:
        """Look again and again until ``stop``."""
        self._thread = threading.Thread(target=self._run, name="recsys-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread; this process serves nothing any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._note_live(None, 0.0)

    def look(self, now: Timestamp | None = None) -> None:
        """Everything at once: the log's end, the live version, clicks and drift."""
        self._often(time.time() if now is None else now)
        self._seldom()

    def collect(self) -> Iterable[Metric]:
        """Figures by version and by input, as the last look found them."""
        found = self._figures
        seen = GaugeMetricFamily("recsys_live_impressions", _of("and were served here"), labels=["version"])
        clicked = GaugeMetricFamily("recsys_live_clicks", _of("with a click in them"), labels=["version"])
        ctr = GaugeMetricFamily("recsys_live_ctr", "Their share: the live CTR, by list.", labels=["version"])
        for version, clicks in found.clicks.items():
            seen.add_metric([version], clicks.impressions)
            clicked.add_metric([version], clicks.clicked)
            ctr.add_metric([version], clicks.ctr)
        drift = GaugeMetricFamily(
            "recsys_drift_psi", "Population stability index of the newest answers against training.", labels=["input"]
        )
        for name, index in found.drift.items():
            drift.add_metric([name], index)
        return seen, clicked, ctr, drift

    def _run(self) -> None:
        seldom_at = 0.0
        while not self._stop.wait(EVERY):
            try:
                self._often(time.time())
                if time.monotonic() >= seldom_at:
                    seldom_at = time.monotonic() + SELDOM
                    self._seldom()
            except SQLAlchemyError as error:  # busy, or away: the last figures stay
                log.debug("the metrics could not be brought up to date: %s", error)
            except Exception:
                log.exception("the metrics could not be brought up to date")

    def _often(self, now: Timestamp) -> None:
        model, clock = self.live.model, self.live.clock
        self._note_live(model, now)
        if np.isfinite(clock):
            metrics.LOG_LAG.set(max(0.0, now - clock))
        with self.sessions() as session:
            metrics.LOG_BEHIND.set(self.live.behind(session))

    def _note_live(self, model: Model | None, now: Timestamp) -> None:
        until = None if model is None else model.until
        metrics.MODEL_AGE.set(np.nan if until is None or not np.isfinite(until) else max(0.0, now - until))
        self._versions |= set() if model is None else {model.version}
        for version in self._versions:
            metrics.SERVING.labels(version).set(model is not None and version == model.version)

    def _seldom(self) -> None:
        with self.sessions() as session:
            clicks = newest_by_version(session, LISTS, self.live.fast)
        self._figures = Figures(clicks, self.recent.drift(self.live.model))


def _of(which: str) -> str:
    return f"Those of the newest {LISTS:,} lists that were seen {which}."
