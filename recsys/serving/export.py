"""The catalogue, the log and the vectors as files: what ``recsys import table`` reads, and what others compute with."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recsys.columns import Catalogue, Ints
from recsys.database import readout
from recsys.database.bulk import chunks
from recsys.database.readout import StoredVector
from recsys.database.session import Sessions
from recsys.database.tables import ArticleRow, ClickRow, ContentRow, ImpressionRow
from recsys.domain import Article, Click, Impression
from recsys.retrieval.index import VectorIndex
from recsys.serving.answering import live_model
from recsys.serving.export_file import Rows, write_rows
from recsys.serving.live import Live

Progress = Callable[[int, int], object]  # rows written so far, and how many there will be about
VECTORS_AT_ONCE = 500

TEXT, SECONDS = pa.string(), pa.float64()  # times are seconds since 1970 UTC, to the bit
ARTICLES = pa.schema({
    "article_id": TEXT, "title": TEXT, "summary": TEXT, "body": TEXT, "section": TEXT, "author": TEXT,
    "language": TEXT, "url": TEXT, "image": TEXT, "published_at": SECONDS, "expires_at": SECONDS,
    "premium": pa.bool_(), "length": pa.int64(),
})  # fmt: skip
LIST = pa.schema({
    "impression_id": TEXT, "user_id": TEXT, "at": SECONDS, "known_at": SECONDS, "items": pa.list_(TEXT),
})  # fmt: skip
PLACE = pa.schema({
    "page": TEXT, "context_article": TEXT, "device": TEXT, "subscriber": pa.bool_(), "placement": TEXT,
})  # fmt: skip
IMPRESSIONS = pa.schema([*LIST, *PLACE])
CLICKS = pa.schema({
    "event_id": TEXT, "user_id": TEXT, "article_id": TEXT, "at": SECONDS, "known_at": SECONDS, "impression_id": TEXT,
    "dwell_seconds": SECONDS, "weight": pa.float64(), "backfilled": pa.bool_(),
})  # fmt: skip
VECTORS = pa.schema({
    "article_id": TEXT, "modality": TEXT, "encoder_id": TEXT, "vector": pa.list_(pa.float32()),
})  # fmt: skip


def export_articles(sessions: Sessions, path: Path, progress: Progress) -> int:
    """The catalogue; what was withdrawn is an id that has expired, so that an import does not bring it back."""
    with sessions() as session:
        batches = ([_named(article, ARTICLES) for article in batch] for batch in readout.read_articles(session))
        return write_rows(path, ARTICLES, _told(batches, progress, readout.count_rows(session, ArticleRow.key)))


def export_impressions(sessions: Sessions, path: Path, progress: Progress) -> int:
    """The lists that were seen, in the order of the log."""
    with sessions() as session:
        batches = ([_impression(shown) for shown in batch] for batch in readout.read_impressions(session))
        total = readout.count_rows(session, ImpressionRow.position)
        return write_rows(path, IMPRESSIONS, _told(batches, progress, total))


def export_clicks(sessions: Sessions, path: Path, progress: Progress) -> int:
    """The clicks, in the order of the log."""
    with sessions() as session:
        batches = ([_named(click, CLICKS) for click in batch] for batch in readout.read_clicks(session))
        total = readout.count_rows(session, ClickRow.position)
        return write_rows(path, CLICKS, _told(batches, progress, total))


def export_vectors(sessions: Sessions, path: Path, progress: Progress) -> int:
    """The raw vector of each modality of each article that has one."""
    with sessions() as session:
        batches = (
            [_named(vector, VECTORS) for vector in batch] for batch in readout.read_vectors(session, VECTORS_AT_ONCE)
        )
        total = readout.count_rows(session, ContentRow.content_hash)
        return write_rows(path, VECTORS, _told(batches, progress, total))


def export_view(live: Live, view: str, path: Path, progress: Progress) -> int:
    """What the live model made of the articles, "fused" or "content"; its version stands for the encoder.

    Articles of which nothing is known have no vector.

    Raises:
        NotReadyError: while no model is live.
    """
    model, catalogue = live_model(live), live.world.catalogue
    index = model.views.learned if view == "fused" else model.views.content
    keys = np.intersect1d(index.keys, catalogue.present)
    keys = keys[index.vectors(keys)[0].any(axis=1)]
    batches = (
        _of_view(index, catalogue, np.array(part), view, model.version) for part in chunks(keys, VECTORS_AT_ONCE)
    )
    return write_rows(path, VECTORS, _told(batches, progress, len(keys)))


def _of_view(index: VectorIndex, catalogue: Catalogue, keys: Ints, view: str, version: str) -> Rows:
    return [
        {"article_id": article_id, "modality": view, "encoder_id": version, "vector": vector}
        for article_id, vector in zip(catalogue.article_ids[keys].tolist(), index.vectors(keys)[0], strict=True)
    ]


def _impression(shown: Impression) -> dict[str, Any]:
    row = {name: getattr(shown, name) for name in LIST.names}
    return row | {name: getattr(shown.context, name) for name in PLACE.names}


def _named(record: Article | Click | StoredVector, schema: pa.Schema) -> dict[str, Any]:
    return {name: getattr(record, name) for name in schema.names}


def _told(batches: Iterable[Rows], progress: Progress, total: int) -> Iterator[Rows]:
    """The same batches; progress is told of each."""
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        progress(done, max(total, done))
