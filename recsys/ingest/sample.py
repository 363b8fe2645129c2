"""Writes the bundled sample: a small synthetic world of news, its readers and their clicks, in the table layout.

``python -m recsys.ingest.sample data/sample`` writes it again as it is bundled (seed 7, about 10 s).
"""

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from recsys.domain import Article, RecsysError
from recsys.ingest.sample_world.pictures import STYLES, draw
from recsys.ingest.sample_world.readers import Log, simulate
from recsys.ingest.sample_world.world import NO_PICTURE, World, make_world

_TIME = pa.timestamp("us", tz="UTC")
_ARTICLE = pa.schema(
    {
        **dict.fromkeys(("article_id", "title", "summary", "body", "section", "author"), pa.string()),
        **dict.fromkeys(("language", "url", "image"), pa.string()),
        **dict.fromkeys(("published_at", "expires_at"), _TIME),
        "premium": pa.bool_(),
        "length": pa.int64(),
    }
)
_IMPRESSION = pa.schema(
    {
        **dict.fromkeys(("impression_id", "user_id"), pa.string()),
        "at": _TIME,
        "items": pa.list_(pa.string()),
        **dict.fromkeys(("page", "context_article", "device"), pa.string()),
        "subscriber": pa.bool_(),
        "placement": pa.string(),
    }
)
_CLICK = pa.schema(
    {
        **dict.fromkeys(("event_id", "user_id", "article_id"), pa.string()),
        "at": _TIME,
        "impression_id": pa.string(),
        "dwell_seconds": pa.float64(),
    }
)
_README = """# A synthetic sample

Everything here is invented: the stories, the pictures, the readers and their clicks. Figures measured on it say that
the program works; they say nothing about real readers.

Made by `python -m recsys.ingest.sample {folder}` from seed {seed}: {articles:,} articles, {pictures:,} pictures
({broken} of the files broken on purpose), {impressions:,} impressions and {clicks:,} clicks of {readers:,} readers over
{days} days. Licence: Apache-2.0, like the program. What the files hold is described in `data/README.md` of the project.
"""


def write_sample(
    folder: Path,
    *,
    seed: int = 7,
    articles: int = 720,
    readers: int = 2000,
    impressions: int = 24_000,
    days: int = 21,
) -> dict[str, int]:
    """Make the world of a seed and write its tables and pictures into ``folder``; files of the same names are replaced.

    The same arguments give the same rows and the same decoded pixels. ``impressions`` is met within a few per cent.

    Returns the counts of what was written: articles, pictures, broken (of the pictures), impressions, clicks.

    Raises ``RecsysError`` for sizes that no sample can have, and for a folder that is a file or can't be written.
    """
    world = make_world(seed, articles=articles, readers=readers, impressions=impressions, days=days)
    log = simulate(world)
    try:
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        _write_tables(folder, world, log)
        pictures = _write_pictures(folder, world)
        counts = {
            "articles": len(world.articles),
            "pictures": pictures,
            "broken": len(world.broken),
            "impressions": len(log.impressions),
            "clicks": len(log.clicks),
        }
        readme = _README.format(folder="data/sample", seed=seed, readers=readers, days=days, **counts)
        (folder / "README.md").write_text(readme, encoding="utf-8")
    except OSError as error:
        raise RecsysError(f"The sample can't be written to {folder}: {error.strerror}. Name another folder.") from error
    return counts


def _write_tables(folder: Path, world: World, log: Log) -> None:
    _write(folder / "articles.parquet", _ARTICLE, [_article_row(article) for article in world.articles])
    _write(
        folder / "impressions.parquet",
        _IMPRESSION,
        [
            {
                "impression_id": shown.impression_id,
                "user_id": shown.user_id,
                "at": _microseconds(shown.at),
                "items": shown.items,
                "page": shown.context.page,
                "context_article": shown.context.context_article,
                "device": shown.context.device,
                "subscriber": shown.context.subscriber,
                "placement": shown.context.placement,
            }
            for shown in log.impressions
        ],
    )
    _write(
        folder / "clicks.parquet",
        _CLICK,
        [
            {
                "event_id": click.event_id,
                "user_id": click.user_id,
                "article_id": click.article_id,
                "at": _microseconds(click.at),
                "impression_id": click.impression_id,
                "dwell_seconds": click.dwell_seconds,
            }
            for click in log.clicks
        ],
    )


def _article_row(article: Article) -> dict[str, Any]:
    row = {name: getattr(article, name) for name in _ARTICLE.names}
    return {**row, "published_at": _microseconds(article.published_at)}


def _microseconds(at: float | None) -> int | None:
    return None if at is None else round(at * 1_000_000)


def _write(file: Path, schema: Any, rows: Sequence[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file, compression="zstd", compression_level=19)


def _write_pictures(folder: Path, world: World) -> int:
    """Draw what the articles name, each from a stream of its own; leftovers of an earlier, larger sample go."""
    for old in (folder / "pictures").glob("a[0-9]*.jpg"):
        old.unlink()
    rows = np.flatnonzero(world.drawn_style != NO_PICTURE).tolist()
    for row in rows:
        (folder / str(world.articles[row].image)).write_bytes(_picture(world, row))
    return len(rows)


def _picture(world: World, row: int) -> bytes:
    topic, style = world.topics[world.topic[row]].name, STYLES[world.drawn_style[row]]
    buffer = BytesIO()
    draw(topic, style, np.random.default_rng([world.seed, 3, row])).save(buffer, "JPEG", quality=70)
    whole = buffer.getvalue()
    damaged = {"truncated": whole[: len(whole) // 2], "text": b"503 Service Unavailable\n", "empty": b""}
    return damaged[world.broken[row]] if row in world.broken else whole


def _main(
    folder: Annotated[Path, typer.Argument(help="Folder to write, usually data/sample.")],
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 7,
) -> None:
    """Write the synthetic sample."""
    typer.echo(json.dumps(write_sample(folder, seed=seed)))


if __name__ == "__main__":
    typer.run(_main)
