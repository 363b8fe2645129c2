"""A made EB-NeRD folder of one or two weeks, in which readers of two camps click what is of their camp."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START, DAY = 1_684_396_800.0, 86_400.0  # 2023-05-18T08:00:00Z
ARTICLES, READERS, LISTS, HISTORY = 60, 20, 210, 6


def write(folder: Path, weeks: tuple[str, ...] = ("train", "validation")) -> Path:
    """A catalogue without titles, and for each week its lists and what their readers had clicked before it."""
    generator = np.random.default_rng(0)
    catalogue = {
        "article_id": list(range(ARTICLES)),
        "published_time": [_stamp(START - DAY)] * ARTICLES,
        "category_str": ["news"] * ARTICLES,
    }
    _write(folder / "articles.parquet", catalogue)
    for number, name in enumerate(weeks):
        start = START + 7 * DAY * number
        lists = [_list(generator, LISTS * number + n, start + n * 7 * DAY / LISTS) for n in range(LISTS)]
        columns = {key: [row[key] for row in lists] for key in lists[0]}
        _write(folder / name / "behaviors.parquet", columns, article_id=pa.int32())
        _write(folder / name / "history.parquet", _histories(start))
    return folder


def _list(generator: np.random.Generator, number: int, at: float) -> dict[str, Any]:
    user, shown = number % READERS, generator.permutation(ARTICLES)[:6].tolist()
    own = [article for article in shown if article % 2 == user % 2] or shown
    who = {"impression_id": number, "user_id": user, "impression_time": _stamp(at), "is_subscriber": False}
    what = {"article_ids_inview": shown, "article_ids_clicked": own[:1], "article_id": None}
    return {**who, **what, "read_time": 20.0, "device_type": 2}


def _histories(start: float) -> dict[str, list[Any]]:
    return {
        "user_id": list(range(READERS)),
        "impression_time_fixed": [[_stamp(start - DAY + 60 * k) for k in range(HISTORY)] for _ in range(READERS)],
        "article_id_fixed": [[(user % 2 + 2 * k) % ARTICLES for k in range(HISTORY)] for user in range(READERS)],
        "read_time_fixed": [[30.0] * HISTORY for _ in range(READERS)],
    }


def _write(file: Path, columns: dict[str, list[Any]], **types: pa.DataType) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array(cells, types.get(name)) for name, cells in columns.items()}), file)


def _stamp(seconds: float) -> np.datetime64:
    """Microseconds without a zone, as in the real files."""
    return np.datetime64(int(seconds * 1e6), "us")
