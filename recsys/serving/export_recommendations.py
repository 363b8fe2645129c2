"""Recommendations for every reader in one file, as newsletters need them: many users are answered at once."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsys.database import readout
from recsys.database.bulk import chunks
from recsys.database.readout import Reader
from recsys.database.session import Sessions
from recsys.domain import Recommendation, Timestamp
from recsys.pipeline.model import Model
from recsys.serving.answering import answer_many, live_model
from recsys.serving.export_file import Rows, write_rows
from recsys.serving.hydrate import requests_of
from recsys.serving.lines import described
from recsys.serving.live import Live
from recsys.settings import Settings

Progress = Callable[[int, int], object]  # users answered so far, and how many there are

NOBODY = 0  # the key of a user of whom nothing is known
AT_ONCE = 64  # users answered together: their candidates fit the processor's cache
COLUMNS = pa.schema({
    "user_id": pa.string(), "position": pa.int32(), "article_id": pa.string(), "title": pa.string(),
    "score": pa.float32(), "source": pa.string(), "model_version": pa.string(),
})  # fmt: skip


def export_recommendations(
    sessions: Sessions,
    settings: Settings,
    live: Live,
    path: Path,
    *,
    limit: int,
    at: Timestamp | None = None,
    user_ids: Sequence[str] | None = None,
    progress: Progress,
) -> int:
    """The ``limit`` best articles for each user at one time, by the live pipeline; nothing is logged as served.

    Args:
        at: the time that is answered for; ``live`` must know the log until then. None is now.
        user_ids: whom to answer; None is everybody the database knows. Those it does not know get the answer of a
            reader of whom nothing is known.

    Raises:
        NotReadyError: while no model is live.
        RecsysError: when the file cannot be written there.
    """
    model, now = live_model(live), time.time() if at is None else at
    with sessions() as session:
        total = readout.count_readers(session) if user_ids is None else len(user_ids)

    def answered() -> Iterator[Rows]:
        done = 0
        for readers in _everybody(sessions) if user_ids is None else _named(sessions, user_ids):
            yield _lines(sessions, settings, live, model, readers, limit, now)
            done += len(readers)
            progress(done, max(total, done))

    return write_rows(path, COLUMNS, answered())


def _lines(
    sessions: Sessions,
    settings: Settings,
    live: Live,
    model: Model,
    readers: Sequence[Reader],
    limit: int,
    at: Timestamp,
) -> Rows:
    with sessions() as session:
        keys = [reader.key for reader in readers]
        requests = requests_of(session, keys, at, catalogue=len(live.world.catalogue))
        checked = answer_many(session, live, model, requests, limit, settings)
    return [
        _row(reader, item, model.version)
        for reader, answer in zip(readers, checked.answers, strict=True)
        for item in described(answer, checked.found, {})
    ]


def _row(reader: Reader, item: Recommendation, version: str) -> dict[str, Any]:
    return {
        "user_id": reader.user_id,
        "position": item.position,
        "article_id": item.article_id,
        "title": item.title,
        "score": item.score,
        "source": item.source,
        "model_version": version,
    }


def _everybody(sessions: Sessions) -> Iterator[Sequence[Reader]]:
    last = 0
    while True:
        with sessions() as session:
            readers = readout.read_users(session, last, AT_ONCE)
        if not readers:
            return
        yield readers
        last = readers[-1].key


def _named(sessions: Sessions, user_ids: Sequence[str]) -> Iterator[Sequence[Reader]]:
    for chunk in chunks(user_ids, AT_ONCE):
        with sessions() as session:
            known = readout.find_users(session, chunk)
        yield [Reader(known.get(user_id, NOBODY), user_id) for user_id in chunk]
