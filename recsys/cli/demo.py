"""The guided tour: the bundled synthetic sample from log to answer, and back to a retrained model."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow.parquet as pq

from recsys.cli.output import (
    err,
    neighbours_table,
    out,
    print_json,
    progress,
    recommendations_document,
    recommendations_table,
)
from recsys.database import articles, events, models, users
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.domain import Article, Click, Modality, RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders
from recsys.evaluation.report import table
from recsys.ingest import importer
from recsys.ingest.shift import shifted
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.jobs import retrain_now
from recsys.lifecycle.judging import evaluate
from recsys.lifecycle.retrain import Retrained
from recsys.lifecycle.train import train
from recsys.lifecycle.versions import rfc3339
from recsys.progress import StageProgress
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender, Served
from recsys.settings import Settings, bundled

DAY = 86400.0
CLICKED = 3  # the place in the list that the demonstration clicks on
COLUMNS = ["name", "impressions", "auc", "mrr", "ndcg@5", "ndcg@10", "log_loss", "ece"]

T = TypeVar("T")


@dataclass
class _Tour:
    """The demonstration under way: its time by stage."""

    settings: Settings
    report: StageProgress
    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        """Do one stage and note how long it took."""
        started = time.perf_counter()
        result = work()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.perf_counter() - started, 1)
        return result


def run_demo(settings: Settings, *, as_json: bool) -> None:
    """Run the tour on the database of the settings, and print what came of it."""
    with progress() as report:
        document, shown = _tour(_Tour(settings, report))
    if as_json:
        print_json(document)
    else:
        for part in shown:
            out.print(part)


def _tour(tour: _Tour) -> tuple[dict[str, Any], list[Any]]:
    settings = tour.settings
    tour.timed("init", lambda: upgrade(settings))
    sessions = open_sessions(settings)
    shift, end = _shift(sessions)
    last_day, day_before = end - DAY, end - 2 * DAY
    tour.timed("import", lambda: _import(sessions, shift, None, last_day, tour.report))
    tour.timed("encode", lambda: encode_new(sessions, load_encoders(settings), tour.report))
    model = tour.timed("train", lambda: train(sessions, settings, until=day_before, report=tour.report))
    judged = tour.timed("evaluate", lambda: evaluate(sessions, settings, version=model.version, since=day_before))
    with sessions() as session:
        went_live = models.live_version(session) == model.version
    tour.timed("import", lambda: _import(sessions, shift, last_day, None, tour.report))
    again = tour.timed("retrain", lambda: retrain_now(sessions, settings, report=tour.report))
    before, after, similar, clicked = tour.timed("recommend", lambda: _recommended(sessions, settings))
    document = {
        "sample": "synthetic", "version": model.version, "promoted": went_live, "metrics": judged.summary,
        "retrain": again, "recommendations": recommendations_document(before.items),
        "after_click": recommendations_document(after.items), "similar": similar, "seconds": tour.seconds,
    }  # fmt: skip
    return document, _shown(document, again, before, after, clicked)


def _shown(document: dict[str, Any], again: Retrained, before: Served, after: Served, clicked: str) -> list[Any]:
    """The result for people."""
    state = "went live, since nothing was" if document["promoted"] else "is a candidate beside the live one"
    rows = [
        {"name": f"trained, next day ({document['version']})", **document["metrics"]},
        {"name": f"retrained, last day ({again.version})", **again.metrics},
    ]
    if again.previous_metrics is not None:
        rows.append({"name": "the live one, same day", **again.previous_metrics})
    neighbours = [
        neighbours_table(items, f"Nearest to “{clicked}” by {by}") for by, items in document["similar"].items()
    ]
    return [
        "\nThe sample is synthetic: its figures say that the machine works, not how good it is on your readers.",
        f"Version {document['version']} {state}. {again.sentence}",
        table(rows, COLUMNS),
        recommendations_table(before.items, f"For reader {before.user_id}"),
        recommendations_table(after.items, f"The same reader, after a click on “{clicked}”"),
        *neighbours,
        "Seconds: " + ", ".join(f"{stage} {seconds}" for stage, seconds in document["seconds"].items()),
        "Next: `recsys serve` (or `make serve`), then open http://127.0.0.1:8000/docs",
    ]


def _shift(sessions: Sessions) -> tuple[float, Timestamp]:
    """Seconds by which the sample is moved, whole days so that it ends in the last one; and its end then.

    A database that holds the sample already keeps it where it was put.
    """
    columns = pq.read_table(bundled("sample") / "impressions.parquet", columns=["at"])["at"]
    last = max(columns.to_pylist()).timestamp()
    end = (last // DAY + 1) * DAY
    first = next(record for record in importer.read("table", bundled("sample")) if isinstance(record, Article))
    with sessions() as session:
        known = articles.get_article(session, first.article_id)
    if known is not None and known.published_at is not None and first.published_at is not None:
        shift = known.published_at - first.published_at
    else:
        shift = ((time.time() - end) // DAY) * DAY
    return shift, end + shift


def _import(
    sessions: Sessions, shift: float, since: Timestamp | None, until: Timestamp | None, report: StageProgress
) -> importer.ImportReport:
    records = shifted(importer.read("table", bundled("sample")), shift)
    return importer.run_import(
        sessions, records, since=since, until=until, progress=lambda count: report("import", count, count)
    )


def _modalities(recommender: Recommender) -> list[Modality]:
    """Those of the live model."""
    return list(recommender.live.model.encoders) if recommender.live.model else []


def _recommended(sessions: Sessions, settings: Settings) -> tuple[Served, Served, dict[str, Any], str]:
    """Recommendations for a busy reader before and after a click, and the clicked article's neighbours."""
    recommender = Recommender(sessions, settings, Live(sessions, settings, expected_ids(settings)))
    with sessions() as session:
        reader = users.busiest(session)
    before = recommender.recommend(reader, with_explanations=True, log=False)
    if not before.items:
        raise RecsysError(f"There is nothing left to recommend to {reader}: run the demo on a RECSYS_HOME of its own.")
    clicked = before.items[min(CLICKED, len(before.items)) - 1]
    now = time.time()
    with writing(sessions) as session:
        events.add_clicks(session, [Click(f"demo-{uuid.uuid4().hex}", reader, clicked.article_id, now)])
    recommender.live.refresh(now + 1.0)
    after = recommender.recommend(reader, with_explanations=True, log=False, at=now + 1.0)
    similar = {by: recommender.similar(clicked.article_id, by, 5) for by in ("fused", *_modalities(recommender))}
    err.print(f"Clicked “{clicked.title}” at {rfc3339(now)}", highlight=False, markup=False)
    return before, after, similar, clicked.title or clicked.article_id
